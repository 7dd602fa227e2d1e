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

/** HTTP/2 on connections that we open: many requests at once. */
export function speakHttp2(
  { config, sweep, budget }: Runtime,
  scheme: 'http' | 'https',
  onFault: (code: string) => void,
): Speak {
  const limits = clientLimits(config)
  return (socket, events) => new H2ClientConnection(socket, { limits, sweep, budget, scheme, onFault, ...events })
}

/** Raw bytes: one tunnel a connection. */
export function speakTcp({ config, sweep }: Runtime): Speak {
  const idleTimeoutMs = config.tunnelIdleTimeoutMs
  return (socket, { onClosed }) => new RawClientConnection(socket, { sweep, idleTimeoutMs, onClosed })
}
