import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../src/lib/package-root.ts'
import { type Issuer, TRUST_DOMAIN } from './certificates.ts'
import { textAt } from './json.ts'
import { Child, runToEnd } from './processes.ts'

export const launcher: string = join(packageRoot, 'bin', 'outrider')

/** A control server that is ready. */
export interface ControlServer {
  readonly child: Child
  /** `host:port` */
  readonly grpc: string
  /** Path of its administration socket. */
  readonly socket: string
  /** What signs in it: other certificates of its mesh are made with that. */
  readonly issuer: Issuer
  /** Runs a command of the CLI and returns what it prints. */
  readonly command: (...args: readonly string[]) => Promise<string>
}

/** Starts `outrider control` with its data in `data`, on free ports of loopback. `flags` are more of its options, `env` more of its environment. */
export async function startControl(
  data: string,
  signal: AbortSignal,
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<ControlServer> {
  const place = ['--data', data, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--trust-domain', TRUST_DOMAIN]
  const child = new Child('outrider control', process.execPath, [launcher, 'control', ...place, ...flags], { env })
  try {
    const ready = await child.firstLine(signal)
    const socket = textAt(ready, 'adminSocket')
    return {
      child,
      grpc: textAt(ready, 'grpc'),
      socket,
      issuer: issuerIn(join(data, 'ca')),
      command: async (...args) => runToEnd(process.execPath, [launcher, ...args, '--socket', socket], { signal }),
    }
  } catch (error) {
    await child.stop()
    throw error
  }
}

/** A new CA has one authority, whose folder has its name. */
function issuerIn(ca: string): Issuer {
  const folder = join(ca, textAt(readFileSync(join(ca, 'authorities.json'), 'utf8'), 'authorities', '0', 'id'))
  return { certificate: join(folder, 'signer.pem'), key: join(folder, 'signer.key'), kind: 'intermediate' }
}
