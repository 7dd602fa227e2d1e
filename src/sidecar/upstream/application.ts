import { connect } from 'node:net'
import { type Address, formatAddress } from '../../lib/address.ts'
import type { Clock } from '../../lib/clock.ts'
import { type Runtime, shareOf } from '../runtime.ts'
import { type Dial, type Speak, UpstreamPool } from './pool.ts'
import { speakHttp1, speakHttp2, speakTcp } from './speak.ts'

/** Opens plain connections: to the application on loopback, or to what `what` says. */
export function dialPlain({ host, port }: Address, timeoutMs: number, clock: Clock, what = 'application'): Dial {
  return (done) => {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
    const fail = (message: string): void => {
      timer.cancel()
      socket.destroy()
      done({
        kind: 'failed',
        code: 'upstream-unreachable',
        message: `${what} ${formatAddress({ host, port })}: ${message}`,
      })
    }
    const onError = (error: Error): void => fail(error.message)
    const timer = clock.after(timeoutMs, () => fail(`no connection within ${timeoutMs} ms`))
    socket.once('error', onError)
    socket.once('connect', () => {
      timer.cancel()
      socket.off('error', onError)
      done({ kind: 'connected', socket })
    })
  }
}

/** The application behind a listener, by what is spoken to it. */
export interface Application {
  readonly http1: UpstreamPool
  readonly http2: UpstreamPool
  /** One connection for each TCP connection of a client. */
  readonly tcp: UpstreamPool
  destroy(): void
}

export function openApplication(address: Address, runtime: Runtime): Application {
  const { config, clock, sweep, metrics, log } = runtime
  const onFault = (code: string): void => log.warn({ code }, 'the application sent a malformed response')
  const common = {
    dial: dialPlain(address, config.upstreamConnectTimeoutMs, clock),
    maxConnections: shareOf(config.maxUpstreamConnections, runtime),
    queueTimeoutMs: config.upstreamQueueTimeoutMs,
    sweep,
    clock,
    active: metrics.upstreamConnectionsActive.with({ service: 'application' }),
  }
  const pool = (speak: Speak, multiplexed: boolean, keepsIdle: boolean): UpstreamPool =>
    new UpstreamPool({ ...common, speak, multiplexed, keepsIdle })
  const http1 = pool(speakHttp1(runtime, onFault), false, true)
  const http2 = pool(speakHttp2(runtime, 'http', onFault), true, true)
  // What the application says on a connection of its own is for one client, who may have gone while it was opened.
  const tcp = pool(speakTcp(runtime), false, false)
  return {
    http1,
    http2,
    tcp,
    destroy: () => {
      for (const each of [http1, http2, tcp]) each.destroy()
    },
  }
}
