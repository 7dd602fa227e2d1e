// A sidecar as the control server sees it: one TLS connection with a policy stream and a stream of trust bundles.
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { connect, type SecureContext, type TLSSocket } from 'node:tls'
import type { Address } from '../../src/lib/address.ts'
import { protocols } from '../../src/rpc/load.ts'
import type { EncodedPolicyUpdate__Output } from '../../src/wire/outrider/policy/v1/EncodedPolicyUpdate.ts'
import type { SubscribeRequest } from '../../src/wire/outrider/policy/v1/SubscribeRequest.ts'

const { PolicyService, EncodedPolicyUpdate } = protocols().policy
const { Subscribe } = PolicyService.service
const { WatchTrustBundles } = protocols().identity.IdentityService.service
const GRPC = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }
/** Flag and length before each message (gRPC over HTTP/2). */
const PREFIX_BYTES = 5

export interface PolicyPeerOptions {
  readonly address: Address
  /** With the SVID and the root that the server is verified with. */
  readonly context: SecureContext
  /** The URI that the certificate of the server has to name. */
  readonly serverId: string
  readonly sidecarId: string
  /** Of its inbound listener. */
  readonly port: number
  /** Told of every update before it is acknowledged; its resources are not read, which sidecars do on machines of their own. */
  readonly onUpdate: (update: EncodedPolicyUpdate__Output) => void
  /** The connection or a stream is over; called once, and not after `close`. */
  readonly onLost: (reason: string) => void
}

/** Holds nothing but the versions of what it was sent, so that thousands fit into one process. */
export class PolicyPeer {
  readonly #options: PolicyPeerOptions
  readonly #socket: TLSSocket
  readonly #session: ClientHttp2Session
  #policy: ClientHttp2Stream | undefined
  #over = false

  constructor(options: PolicyPeerOptions) {
    this.#options = options
    const { address, context, serverId } = options
    this.#socket = connect({
      ...address,
      secureContext: context,
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['h2'],
      checkServerIdentity: (_host, { subjectaltname = '' }) =>
        subjectaltname === `URI:${serverId}` ? undefined : new Error(`the server is ${subjectaltname}`),
    })
    this.#socket.setNoDelay(true)
    this.#session = connectHttp2('https://control.outrider', { createConnection: () => this.#socket })
    this.#session.once('connect', () => this.#open())
    this.#session.on('error', (error) => this.#lost(error.message))
    this.#session.on('close', () => this.#lost('closed'))
  }

  close(): void {
    this.#over = true
    this.#session.destroy()
    this.#socket.destroy()
  }

  #open(): void {
    const policy = this.#session.request({ ...GRPC, ':path': Subscribe.path })
    this.#policy = policy
    read(policy, (bytes) => this.#updated(EncodedPolicyUpdate.deserialize(bytes)))
    const bundles = this.#session.request({ ...GRPC, ':path': WatchTrustBundles.path })
    read(bundles, () => {})
    for (const stream of [policy, bundles]) {
      stream.on('error', (error) => this.#lost(error.message))
      stream.on('trailers', (trailers) => this.#lost(String(trailers['grpc-message'] ?? trailers['grpc-status'])))
      stream.on('close', () => this.#lost('the stream was closed'))
    }
    bundles.end(framed(WatchTrustBundles.requestSerialize({})))
    this.#send({ hello: { sidecarId: this.#options.sidecarId, programVersion: '0.0.0-bench', held: [] } })
    this.#send({ listening: { listeners: [{ appPort: 8080, address: '127.0.0.1', port: this.#options.port }] } })
  }

  #updated(update: EncodedPolicyUpdate__Output): void {
    this.#options.onUpdate(update)
    this.#send({ ack: { nonce: update.nonce, revision: update.revision } })
  }

  #send(message: SubscribeRequest): void {
    this.#policy?.write(framed(Subscribe.requestSerialize(message)))
  }

  #lost(reason: string): void {
    if (this.#over) return
    this.close()
    this.#options.onLost(reason)
  }
}

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

function read(stream: ClientHttp2Stream, onMessage: (bytes: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  stream.on('data', (part: Buffer) => {
    rest = rest.length === 0 ? part : Buffer.concat([rest, part])
    while (rest.length >= PREFIX_BYTES) {
      const end = PREFIX_BYTES + rest.readUInt32BE(1)
      if (rest.length < end) return
      onMessage(rest.subarray(PREFIX_BYTES, end))
      rest = Buffer.from(rest.subarray(end))
    }
  })
}
