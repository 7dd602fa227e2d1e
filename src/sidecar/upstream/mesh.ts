import type { Clock } from '../../lib/clock.ts'
import type { Watch } from '../../lib/watch.ts'
import { originate } from '../../mtls/client.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { DialTarget } from './endpoints.ts'
import type { Dial } from './pool.ts'

/** Opens mutual TLS connections to an endpoint of a service, with the credentials of the moment. */
export function dialMesh(
  target: DialTarget,
  credentials: Watch<Credentials>,
  timeoutMs: number,
  clock: Clock,
  onRefused: (reason: string, message: string) => void,
): Dial {
  return (done) => {
    const { host, port } = target
    const used = credentials.current
    originate({ host, port, credentials: used, identities: target.identities(), timeoutMs, clock }, (result) => {
      switch (result.kind) {
        case 'connected': {
          const expiresAtMs = Math.min(used.svid.notAfterMs, result.peer.notAfterMs)
          done({ kind: 'connected', socket: result.socket, expiresAtMs })
          break
        }
        case 'failed':
          done({ kind: 'failed', code: 'upstream-unreachable', message: result.message })
          break
        case 'refused':
          onRefused(result.code, result.message)
          done({ kind: 'failed', code: 'upstream-identity', message: result.message })
          break
      }
    })
  }
}
