import { createPrivateKey, X509Certificate } from 'node:crypto'
import { delimiter, dirname, join, resolve } from 'node:path'
import { didYouMean } from '../lib/nearest.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { readSmallFile } from '../lib/small-file.ts'
import type { ApiConnection } from './connection.ts'
import { type KubeconfigFile, type KubeconfigItem, readKubeconfigFile, type Section } from './kubeconfig-file.ts'

export interface KubeconfigChoice {
  /** One file that must be there. Without it: those of `KUBECONFIG`, else `~/.kube/config`. */
  readonly file: string | undefined
  /** In place of `current-context`. */
  readonly context: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface KubeconfigCluster {
  readonly connection: ApiConnection
  readonly context: string
  /** For the person who runs the command. */
  readonly warnings: readonly string[]
}

const MAX_PEM_BYTES = 1024 * 1024
/** The environment names at most so many. */
const MAX_FILES = 64

/** Ways to prove who one is that are not supported, and what to do instead. */
const refusedOfUsers: Readonly<Record<string, string>> = {
  exec: 'credential plugins are not run here',
  'auth-provider': 'Kubernetes itself has given this up',
  username: 'an API server takes no passwords any more',
  as: 'to act as somebody else is not supported',
}
const TOKEN_INSTEAD =
  'give a context whose user has a token, such as one of "kubectl create token ACCOUNT", or a client certificate'

/** The files that are read when none is named, in the order in which they count. */
export function kubeconfigFiles(env: KubeconfigChoice['env']): readonly string[] {
  const named = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '')
  if (named.length > 0) return named
  const home = env['HOME'] ?? ''
  return home === '' ? [] : [join(home, '.kube', 'config')]
}

/**
 * The cluster that kubectl would talk to. The files count in their order, each name where it is found first; paths in a file are relative
 * to it. Refuses what would be less safe or is not supported, and says what to do. Throws `kubeconfig-*`; no secret is in any message.
 */
export function readKubeconfig({ file, context, env }: KubeconfigChoice): KubeconfigCluster {
  const paths = file === undefined ? kubeconfigFiles(env) : [file]
  if (paths.length > MAX_FILES)
    throw new OutriderError('kubeconfig-malformed', `KUBECONFIG names ${paths.length} files, at most ${MAX_FILES}`)
  const files = paths.flatMap((path) => readKubeconfigFile(path) ?? [])
  if (files.length === 0) {
    const where = paths.length === 0 ? 'KUBECONFIG and HOME are not set' : `there is no ${paths.join(', ')}`
    throw new OutriderError('kubeconfig-missing', `no kubeconfig: ${where}; give --kubeconfig FILE`)
  }
  const name = context ?? files.find(({ currentContext }) => currentContext !== undefined)?.currentContext
  const known = [...new Set(files.flatMap(({ items }) => [...items.contexts.keys()]))]
  if (name === undefined) {
    const choose = known.length === 0 ? 'and there is no context at all' : `give --context: ${listed(known)}`
    throw new OutriderError('kubeconfig-context', `${paths.join(', ')}: there is no current-context; ${choose}`)
  }
  const chosen = find(files, 'contexts', name)
  if (chosen === undefined) {
    const contexts = known.length === 0 ? 'there are none' : `there are ${listed(known)}`
    throw new OutriderError(
      'kubeconfig-context',
      `there is no context "${name}"${didYouMean(name, known)}; ${contexts}`,
    )
  }
  return {
    connection: { ...serverOf(named(files, chosen, 'clusters', 'cluster')), ...userOf(files, chosen) },
    context: name,
    warnings: files.flatMap(({ warnings }) => warnings),
  }
}

function find(files: readonly KubeconfigFile[], section: Section, name: string): KubeconfigItem | undefined {
  return files.find(({ items }) => items[section].has(name))?.items[section].get(name)
}

/** What a context names. */
function named(
  files: readonly KubeconfigFile[],
  context: KubeconfigItem,
  section: Section,
  field: string,
): KubeconfigItem {
  const name = context.text(field)
  const item = name === undefined ? undefined : find(files, section, name)
  if (item !== undefined) return item
  const message = name === undefined ? 'is missing' : `there is no ${field} "${name}"`
  throw context.fault('kubeconfig-context', field, message)
}

function serverOf(cluster: KubeconfigItem): Pick<ApiConnection, 'url' | 'caPem' | 'serverName'> {
  if (cluster.has('insecure-skip-tls-verify')) {
    const message =
      'whoever is in between would get our credentials; take it out and set certificate-authority-data to the CA of the cluster'
    throw cluster.fault('kubeconfig-insecure', 'insecure-skip-tls-verify', message)
  }
  if (cluster.has('proxy-url'))
    throw cluster.fault(
      'kubeconfig-unsupported',
      'proxy-url',
      'proxies are not supported: run where the server is reached',
    )
  const server = cluster.text('server')
  if (server === undefined) throw cluster.fault('kubeconfig-malformed', 'server', 'is missing')
  const url = URL.canParse(server) ? new URL(server) : undefined
  if (url === undefined) throw cluster.fault('kubeconfig-malformed', 'server', 'is no URL')
  if (url.protocol !== 'https:') throw cluster.fault('kubeconfig-insecure', 'server', 'is not https://')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw cluster.fault('kubeconfig-malformed', 'server', 'has more than host, port and path')
  const caPem = pemOf(cluster, 'certificate-authority', isCertificate)
  const serverName = cluster.text('tls-server-name')
  return { url, ...(caPem === undefined ? {} : { caPem }), ...(serverName === undefined ? {} : { serverName }) }
}

function userOf(
  files: readonly KubeconfigFile[],
  context: KubeconfigItem,
): Pick<ApiConnection, 'token' | 'tokenFile' | 'certificatePem' | 'keyPem'> {
  const user = named(files, context, 'users', 'user')
  for (const [field, why] of Object.entries(refusedOfUsers)) {
    if (user.has(field)) throw user.fault('kubeconfig-unsupported', field, `${why}; ${TOKEN_INSTEAD}`)
  }
  const certificatePem = pemOf(user, 'client-certificate', isCertificate)
  const keyPem = pemOf(user, 'client-key', isPrivateKey)
  if ((certificatePem === undefined) !== (keyPem === undefined)) {
    const missing = keyPem === undefined ? 'client-key' : 'client-certificate'
    throw user.fault('kubeconfig-malformed', missing, 'is missing: a certificate and its key go together')
  }
  const tokenFile = user.text('tokenFile')
  const token = user.text('token')
  if (certificatePem === undefined && tokenFile === undefined && token === undefined)
    throw user.fault('kubeconfig-unsupported', 'token', `is missing, and so is a client certificate: ${TOKEN_INSTEAD}`)
  return {
    ...(certificatePem === undefined ? {} : { certificatePem }),
    ...(keyPem === undefined ? {} : { keyPem }),
    // Of both, the file counts.
    ...(tokenFile === undefined
      ? token === undefined
        ? {}
        : { token }
      : { tokenFile: resolve(dirname(user.file), tokenFile) }),
  }
}

/** The PEM text of `FIELD-data`, in base64, or else of the file that `FIELD` names. */
function pemOf(item: KubeconfigItem, field: string, holds: (pem: string) => boolean): string | undefined {
  const data = item.text(`${field}-data`)
  if (data !== undefined) {
    const pem = Buffer.from(data, 'base64').toString('utf8')
    if (holds(pem)) return pem
    throw item.fault('kubeconfig-malformed', `${field}-data`, 'is not PEM in base64')
  }
  const path = item.text(field)
  if (path === undefined) return undefined
  const full = resolve(dirname(item.file), path)
  let pem: string
  try {
    pem = readSmallFile(full, MAX_PEM_BYTES).text
  } catch (cause) {
    throw item.fault('kubeconfig-unreadable', field, `${full}: ${describeError(cause)}`, cause)
  }
  if (holds(pem)) return pem
  throw item.fault('kubeconfig-malformed', field, `${full} holds no such PEM`)
}

function isCertificate(pem: string): boolean {
  return reads(() => new X509Certificate(pem))
}

function isPrivateKey(pem: string): boolean {
  return reads(() => createPrivateKey(pem))
}

function reads(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 10).join(', ')
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown
}
