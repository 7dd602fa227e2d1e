import { connect } from 'node:net'
import type { Address } from '../../lib/address.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Dial } from './pool.ts'

/** Opens plain connections to the application on loopback. */
export function dialApplication({ host, port }: Address, timeoutMs: number, clock: Clock): Dial {
  return (done) => {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
    const fail = (message: string): void => {
      timer.cancel()
      socket.destroy()
      done({ kind: 'failed', code: 'upstream-unreachable', message: `application ${host}:${port}: ${message}` })
    }
    const onError = (error: Error): void => fail(error.message)
    const timer = clock.after(timeoutMs, () => fail(`no connection within ${timeoutMs} ms`))
    socket.once('error', onError)
    socket.once('connect', () => {
      timer.cancel()
      socket.off('error', onError)
      done({ kind: 'connected', socket, expiresAtMs: Number.POSITIVE_INFINITY })
    })
  }
}
