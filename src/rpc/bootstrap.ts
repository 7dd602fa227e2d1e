import { createHash } from 'node:crypto'
import { connect } from 'node:tls'
import { type Address, formatAddress } from '../lib/address.ts'
import { parseBundle, type TrustBundle } from '../identity/bundle.ts'
import { type SpiffeId, trustDomainOf } from '../identity/spiffe-id.ts'
import { verifyPeer } from '../identity/verify.ts'
import type { Clock } from '../lib/clock.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { presentedChain } from '../lib/presented-chain.ts'
import { serverRefusal } from './peer.ts'

export interface BootstrapOptions {
  readonly address: Address
  /** SHA-256 of the root certificate (DER), hexadecimal, from the join token or the options. */
  readonly rootFingerprint: string
  readonly serverId: SpiffeId
  readonly clock: Clock
  /** For connection and handshake together. */
  readonly timeoutMs?: number
}

/**
 * First contact: learns the root of the trust domain from the server itself and believes it only because its SHA-256 is
 * the pinned one. The connection is given up after the handshake: nothing was sent on it, no secret least of
 * all. Returns the bundle that the channel for `Attest` is then verified with.
 * Errors: `control-unreachable`, `control-pin-mismatch`, `control-not-trusted`.
 */
export async function learnTrustBundle(options: BootstrapOptions): Promise<TrustBundle> {
  const { rootFingerprint, serverId, clock } = options
  const target = formatAddress(options.address)
  const chain = await handshake(options.address, target, options.timeoutMs ?? 10_000, clock)
  const root = chain.find((der) => createHash('sha256').update(der).digest('hex') === rootFingerprint)
  if (root === undefined) {
    throw new OutriderError(
      'control-pin-mismatch',
      `${target} does not show the root certificate ${rootFingerprint.slice(0, 16)}... that is pinned: ` +
        'the token or option is of another mesh, or this is not its control server. No evidence was sent',
    )
  }
  const trustDomain = trustDomainOf(serverId)
  const bundle = parseBundle({ trustDomain, authorities: [root], sequence: 0 })
  const refusal = serverRefusal(verifyPeer(chain, new Map([[trustDomain, bundle]]), clock.now()), serverId)
  if (refusal !== undefined) throw refusal
  return bundle
}

function handshake({ host, port }: Address, target: string, timeoutMs: number, clock: Clock): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      timer.cancel()
      socket.destroy()
      reject(
        new OutriderError('control-unreachable', `${target}: ${describeError(cause)}`, {
          cause,
          source: 'dependency',
          retryable: true,
        }),
      )
    }
    const socket = connect(
      // Not verified here: the pin is, and the chain by verify.ts.
      { host, port, rejectUnauthorized: false, minVersion: 'TLSv1.3', ALPNProtocols: ['h2'], servername: '' },
      () => {
        timer.cancel()
        const chain = presentedChain(socket)
        socket.destroySoon()
        resolve(chain)
      },
    )
    socket.once('error', fail)
    const timer = clock.after(timeoutMs, () => fail(new Error(`no TLS handshake within ${timeoutMs} ms`)))
  })
}
