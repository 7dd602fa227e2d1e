import { join } from 'node:path'
import { findExecutable } from './executables.ts'
import { freePort } from './ports.ts'
import { Child } from './processes.ts'
import { startNginx } from './subjects/nginx.ts'

/** What the application answers to every request: 64 bytes. */
export const BODY: string = 'outrider bench: sixty-four bytes of body'.padEnd(64, '.')

export interface App {
  readonly kind: string
  readonly port: number
  readonly child: Child
}

/** The application behind the inbound proxy: an nginx worker, or a node:http server where nginx is not installed. */
export async function startApp(folder: string): Promise<App> {
  const port = await freePort()
  if (findExecutable('nginx') !== undefined) {
    return { kind: 'nginx', port, child: startNginx('app', 'app.conf', folder, { appPort: port, body: BODY }) }
  }
  const program = join(import.meta.dirname, 'peers', 'app.ts')
  return { kind: 'node:http', port, child: new Child('app', process.execPath, [program, String(port), BODY]) }
}
