import { networkInterfaces } from 'node:os'
import type { ClientConnection, RequestHead, RequestSink, ServerStream } from '../../http/exchange.ts'
import { type Address, formatAddress, isLoopback, isUnspecified } from '../../lib/address.ts'
import { canonicalIp } from '../../lib/ip.ts'
import type { CompiledPolicy } from '../../policy/compile.ts'
import { Grant } from '../grants.ts'
import { type Refusal, type RefusalCode, refuse } from '../refusal.ts'
import { type Attempt, Request } from '../request.ts'
import type { Runtime } from '../runtime.ts'
import { dialPlain } from '../upstream/application.ts'
import { UpstreamPool } from '../upstream/pool.ts'
import { speakTcp } from '../upstream/speak.ts'
import type { Accepted, Outbound, OutboundConnection } from './connection.ts'
import { identify } from './identify.ts'
import { receive } from './receive.ts'
import { serve } from './serve.ts'

/** As a label of metrics and in the access log: what is in no service. */
const OUTSIDE = 'outside'

/**
 * A captured connection to where no service is: refused, or where the mesh allows that carried to where it was meant to go, as it is.
 * It is a TCP connection like any other, with the same bounds, and leaves the same traces.
 */
export function outsideConnection(accepted: Accepted, original: Address, outbound: Outbound): void {
  const identified = identify({ ...accepted, spoken: 'tcp' }, { ...outbound, service: original })
  serve(identified, (head, stream) => outsideRequest(head, stream, original, identified))
}

function outsideRequest(
  head: RequestHead,
  stream: ServerStream,
  original: Address,
  connection: OutboundConnection,
): RequestSink {
  const { runtime } = connection
  const request = new Request(connection, head, stream)
  request.destination = OUTSIDE
  const received = receive(request, connection)
  if (received.kind === 'refusal') {
    request.refuse(received)
    return request.exchange
  }
  const refusal = outsideRefusal(runtime.policy.current, original) ?? ownRefusal(original)
  runtime.metrics.unknownDestinations.with({ decision: refusal === undefined ? 'allow' : 'deny' }).inc()
  if (refusal !== undefined) {
    request.refuse(refusal)
    return request.exchange
  }
  request.grant = new OutsideGrant(request, original)
  runtime.grants.add(request.grant)
  request.upstream = formatAddress(original)
  const pool = poolFor(original, runtime)
  const attempt = new OutsideAttempt(request, pool)
  request.attempt = attempt
  pool.acquire(attempt)
  return request.exchange
}

/** Why the mesh does not let it out; also asked when the policy changes. */
function outsideRefusal({ closed, outbound, addresses }: CompiledPolicy, original: Address): Refusal | undefined {
  if (closed?.code === 'policy-missing') return refuse('policy-missing', { detail: closed.detail })
  if (outbound === 'deny') return refuse('outbound-denied', { detail: 'MeshConfig.outbound is deny' })
  // What a service has is reached as that service, or not at all.
  if (addresses.known.has(original.host) || addresses.byAddress.has(formatAddress(original))) {
    return refuse('outbound-denied', { detail: 'the address is that of a service, and the port is none of it' })
  }
  return undefined
}

/** The machine itself: nobody who wants to get there is captured, and the sidecar would lend its own access to it. */
function ownRefusal({ host }: Address): Refusal | undefined {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const here = isLoopback(host) || isUnspecified(host) || own.some(({ address }) => canonicalIp(address) === host)
  return here ? refuse('outbound-denied', { detail: 'the address is one of this machine' }) : undefined
}

/** One connection, for one client: what is on it is nobody else's. */
function poolFor(original: Address, runtime: Runtime): UpstreamPool {
  const { config, clock, sweep, metrics } = runtime
  return new UpstreamPool({
    dial: dialPlain(original, config.upstreamConnectTimeoutMs, clock, OUTSIDE),
    speak: speakTcp(runtime),
    multiplexed: false,
    keepsIdle: false,
    maxConnections: 1,
    queueTimeoutMs: config.upstreamQueueTimeoutMs,
    sweep,
    clock,
    active: metrics.upstreamConnectionsActive.with({ service: OUTSIDE }),
  })
}

class OutsideAttempt implements Attempt {
  readonly #request: Request
  readonly #pool: UpstreamPool

  constructor(request: Request, pool: UpstreamPool) {
    this.#request = request
    this.#pool = pool
  }

  get gone(): boolean {
    return this.#request.exchange.finished
  }

  connected(upstream: ClientConnection): void {
    this.#request.exchange.forward(upstream, this.#request.head)
  }

  failed(code: RefusalCode, detail: string): void {
    this.#request.countFailure(code)
    this.#request.refuse(refuse(code, { detail }))
  }

  replay(): void {
    this.#pool.acquireFresh(this)
  }
}

/** The mesh may close while the connection is open, or a service may come to have the address. */
class OutsideGrant extends Grant {
  readonly #request: Request
  readonly #original: Address

  constructor(request: Request, original: Address) {
    super()
    this.#request = request
    this.#original = original
  }

  refusedBy(policy: CompiledPolicy): Refusal | undefined {
    const refusal = outsideRefusal(policy, this.#original)
    return refusal === undefined ? undefined : refuse('permission-withdrawn', { detail: refusal.code })
  }

  withdraw(refusal: Refusal): void {
    this.#request.withdraw(refusal)
  }
}
