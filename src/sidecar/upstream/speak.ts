import { H1ClientConnection } from '../../http/h1/client.ts'
import { H2ClientConnection } from '../../http/h2/client.ts'
import { RawClientConnection } from '../../http/raw/client.ts'
import { clientLimits, type Runtime } from '../runtime.ts'
import type { Speak } from './pool.ts'

/** HTTP/1.1 on connections that we open: one request at a time. `onFault` hears of malformed responses. */
export function speakHttp1({ config, sweep, randomHex }: Runtime, onFault: (code: string) => void): Speak {
  const limits = clientLimits(config)
  return (socket, events) => new H1ClientConnection(socket, { limits, sweep, randomHex, onFault, ...events })
}

/**
 * Exchanges on one HTTP/2 connection to an application. When a policy withdraws them all, or their clients go together, they are
 * reset at once; servers close a connection on which too many are (node:http2 after 1000), with what else it carries.
 */
const MAX_APPLICATION_EXCHANGES = 500

/** HTTP/2 on connections that we open, to another sidecar (`https`) or to the application: many requests at once. */
export function speakHttp2(
  { config, sweep, budget }: Runtime,
  scheme: 'http' | 'https',
  onFault: (code: string) => void,
): Speak {
  const limits = clientLimits(config)
  const most = scheme === 'http' ? { maxExchanges: MAX_APPLICATION_EXCHANGES } : {}
  const options = { limits, sweep, budget, scheme, onFault, ...most }
  return (socket, events) => new H2ClientConnection(socket, { ...options, ...events })
}

/** Raw bytes: one tunnel a connection. */
export function speakTcp({ config, sweep }: Runtime): Speak {
  const idleTimeoutMs = config.tunnelIdleTimeoutMs
  return (socket, { onClosed }) => new RawClientConnection(socket, { sweep, idleTimeoutMs, onClosed })
}
