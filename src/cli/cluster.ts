import { existsSync } from 'node:fs'
import { ApiClient } from '../kubernetes/client.ts'
import type { ApiConnection } from '../kubernetes/connection.ts'
import { inClusterConnection } from '../kubernetes/in-cluster.ts'
import { kubeconfigFiles, readKubeconfig } from '../kubernetes/kubeconfig.ts'
import type { CommandContext } from './command.ts'

export const clusterOptions = {
  kubeconfig: {
    type: 'string',
    value: 'FILE',
    doc: 'how to reach the cluster, in the format of kubectl (default: the files of KUBECONFIG, else ~/.kube/config, else the service account of the pod)',
  },
  context: { type: 'string', value: 'NAME', doc: 'context of the kubeconfig in place of current-context' },
} as const

/** `--timeout`: how it is typed, and what it may be. */
export const timeoutOption = {
  flag: {
    type: 'string',
    value: 'DURATION',
    doc: 'how long to wait until it is done; 0: do not wait (default 5m; 0 .. 1h)',
  },
  value: { type: 'duration', default: '5m', min: '0', max: '1h', doc: '' },
} as const

type Asking = Pick<CommandContext, 'env' | 'signal' | 'stderr' | 'clock'> & {
  readonly options: { readonly kubeconfig: string | undefined; readonly context: string | undefined }
}

/** Where the cluster is, chosen as kubectl does; throws `kubeconfig-*`. */
function connectionOf({ options, env, stderr }: Asking): ApiConnection {
  const { kubeconfig: file, context } = options
  const nothingSaid =
    file === undefined && context === undefined && !kubeconfigFiles(env).some((path) => existsSync(path))
  const own = nothingSaid ? inClusterConnection(env) : undefined
  if (own !== undefined) return own
  const { connection, warnings } = readKubeconfig({ file, context, env })
  for (const warning of warnings) stderr.write(`warning: ${warning}\n`)
  return connection
}

/** Lends `use` a client of the cluster's API server and closes it afterwards, or when the command is interrupted. */
export async function withCluster<T>(context: Asking, use: (client: ApiClient) => Promise<T>): Promise<T> {
  const client = new ApiClient(connectionOf(context), context.clock)
  const stop = (): void => client.close()
  context.signal.addEventListener('abort', stop, { once: true })
  try {
    return await use(client)
  } finally {
    context.signal.removeEventListener('abort', stop)
    client.close()
  }
}
