import { join } from 'node:path'
import { findExecutable } from '../executables.ts'
import { freePort } from '../ports.ts'
import { Child } from '../processes.ts'
import { startNginx } from '../subjects/nginx.ts'
import type { App, AppKind } from './app.ts'

/** What the application answers to every request: 64 bytes. */
const BODY = 'outrider bench: sixty-four bytes of body'.padEnd(64, '.')

/** A small answer over HTTP/1.1, by an nginx worker, or by a node:http server where nginx is not installed. */
export const smallApp: AppKind = {
  available: () => undefined,
  async start(folder) {
    const port = await freePort()
    const facts = {
      port,
      protocol: 'http1',
      exchange: { method: 'GET', path: '/x', headers: {}, body: '', answer: `200 ${BODY}` },
    } as const satisfies Partial<App>
    if (findExecutable('nginx') !== undefined) {
      const child = startNginx('app', 'small-app.conf', folder, { appPort: port, body: BODY })
      return { ...facts, kind: 'nginx', child }
    }
    const program = join(import.meta.dirname, '..', 'peers', 'small-app.ts')
    return { ...facts, kind: 'node:http', child: new Child('app', process.execPath, [program, String(port), BODY]) }
  },
}
