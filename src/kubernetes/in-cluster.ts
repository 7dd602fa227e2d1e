import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type ApiConnection, podConnection } from './connection.ts'
import { ApiError } from './failure.ts'

/** Where the kubelet puts what a pod is known by. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * The connection of the service account, where this runs in a pod that has one; else undefined. Throws `kubernetes-unreachable` where the
 * environment names no port.
 */
export function inClusterConnection(
  env: Readonly<Record<string, string | undefined>>,
  folder: string = ACCOUNT,
): ApiConnection | undefined {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = env
  const tokenFile = join(folder, 'token')
  if (host === '' || !existsSync(tokenFile)) return undefined
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) === 0 || Number(port) > 65_535)
    throw new ApiError('kubernetes-unreachable', 'KUBERNETES_SERVICE_PORT is no port', { retryable: false })
  return podConnection({ host, port: Number(port) }, join(folder, 'ca.crt'), tokenFile)
}
