import type { RequestHandler } from '../../http/exchange.ts'
import { serveHttp } from '../serve-http.ts'
import type { OutboundConnection } from './connection.ts'

/** Takes requests from the own application until it closes the connection. */
export function serve(connection: OutboundConnection, handler: RequestHandler): void {
  serveHttp(connection, handler, () => {})
}
