import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { didYouMean } from '../lib/nearest.ts'
import { OutriderError } from '../lib/errors.ts'
import { pluralOf } from '../policy/crd/names.ts'
import { defaultNamespace, type Kind, kinds } from '../policy/model.ts'
import { type AdminClient, connectAdmin } from '../rpc/client.ts'
import type { CommandContext } from './command.ts'

export const socketOption = {
  type: 'string',
  value: 'PATH',
  doc: 'Unix socket of the control server (default /var/lib/outrider/admin.sock; OUTRIDER_ADMIN_SOCKET, or OUTRIDER_DATA with admin.sock in it)',
} as const

export const namespaceOption = {
  type: 'string',
  short: 'n',
  value: 'NAMESPACE',
  doc: 'namespace of what is named without one',
} as const

const DEFAULT_DATA = '/var/lib/outrider'

type Asking = Pick<CommandContext, 'env' | 'signal'> & { readonly options: { readonly socket: string | undefined } }

/** Where the control server of this machine is asked: `--socket`, the environment, the default. */
export function adminSocket({ options, env }: Asking): string {
  return options.socket ?? (env['OUTRIDER_ADMIN_SOCKET'] || join(env['OUTRIDER_DATA'] || DEFAULT_DATA, 'admin.sock'))
}

/** Lends `use` a client of the control server and closes it afterwards, or when the command is interrupted. */
export async function withAdmin<T>(context: Asking, use: (admin: AdminClient) => Promise<T>): Promise<T> {
  const path = adminSocket(context)
  if (!existsSync(path)) {
    throw new OutriderError(
      'rpc-unavailable',
      `no control server here: there is no socket ${path} (start one with "outrider control", or give --socket)`,
      { source: 'dependency' },
    )
  }
  const admin = connectAdmin(path)
  const stop = (): void => admin.close()
  context.signal.addEventListener('abort', stop, { once: true })
  try {
    return await use(admin)
  } finally {
    context.signal.removeEventListener('abort', stop)
    admin.close()
  }
}

/** `Workload`, `workload`, `workloads`, `authorizationpolicies`. Throws `usage-kind`. */
export function parseKind(text: string): Kind {
  const wanted = text.toLowerCase()
  const found = kinds.find((kind) => {
    const name = kind.toLowerCase()
    return wanted === name || wanted === pluralOf(kind)
  })
  if (found === undefined) {
    throw new OutriderError(
      'usage-kind',
      `"${text}" is no kind${didYouMean(text, kinds)}; there are ${kinds.join(', ')}`,
    )
  }
  return found
}

/** `name` or `namespace/name`. Throws `usage-name`. */
export function parseName(text: string, namespace: string | undefined): { namespace: string; name: string } {
  const parts = text.split('/')
  const [first = '', second] = parts
  if (parts.length > 2 || first === '' || second === '') {
    throw new OutriderError('usage-name', `"${text}" is no name: NAME or NAMESPACE/NAME`)
  }
  return second === undefined
    ? { namespace: namespace ?? defaultNamespace, name: first }
    : { namespace: first, name: second }
}
