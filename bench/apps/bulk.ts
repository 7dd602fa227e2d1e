import { join } from 'node:path'
import { freePort } from '../ports.ts'
import { Child } from '../processes.ts'
import type { AppKind } from './app.ts'

/** Bodies of any length over HTTP/1.1, both ways: `GET /x?bytes=N` is answered with N of them, `POST /x` with their number. */
export const bulkApp: AppKind = {
  available: () => undefined,
  async start() {
    const port = await freePort()
    const program = join(import.meta.dirname, '..', 'peers', 'bulk-app.ts')
    return {
      kind: 'a Node program',
      protocol: 'http1',
      port,
      child: new Child('app', process.execPath, [program, String(port)]),
      exchange: { method: 'GET', path: '/x?bytes=5', headers: {}, body: '', answer: '200 .....' },
    }
  },
}
