import { parseDuration } from '../../lib/duration.ts'
import { OutriderError } from '../../lib/errors.ts'
import { durationOf, millisecondsOf, type ProtobufTime } from '../../lib/protobuf-time.ts'
import type { CreatedApiKey__Output } from '../../wire/outrider/admin/v1/CreatedApiKey.ts'
import type { ListedApiKey__Output } from '../../wire/outrider/admin/v1/ListedApiKey.ts'
import { namespaceOption, parseName, socketOption, withAdmin } from '../admin.ts'
import { type Command, type CommandContext, defineCommand, exitCode, outputOption } from '../command.ts'
import { type Format, formatTime, type Json, print, stateWord } from '../output.ts'

export const command: Command = defineCommand({
  name: 'apikey',
  summary: 'Create, rotate, revoke and list API keys',
  usage:
    'create NAME --owner OWNER [--scope SCOPE]... [--workload NAME]... [--expires 90d]\nrotate NAME [--overlap 24h] [--expires 90d]\nrevoke NAME [--id ID]\nlist',
  options: {
    owner: { type: 'string', value: 'OWNER', doc: 'create: whose key it is, for `apiKeyOwners` of rules' },
    scope: { type: 'string', value: 'SCOPE', multiple: true, doc: 'create: what it is for; may be repeated' },
    workload: {
      type: 'string',
      value: 'NAME',
      multiple: true,
      doc: 'create: a Workload of its namespace that accepts it; may be repeated; default all of them',
    },
    expires: {
      type: 'string',
      value: 'DURATION',
      default: '90d',
      doc: 'create, rotate: how long the new secret is good, 1m to 3650d, or `never`',
    },
    overlap: {
      type: 'string',
      value: 'DURATION',
      default: '24h',
      doc: 'rotate: how long the secrets before it stay good, 0s to 90d',
    },
    id: { type: 'string', value: 'ID', doc: 'revoke: one secret; without it, all of them' },
    namespace: namespaceOption,
    output: outputOption,
    socket: socketOption,
  },
  async run(context) {
    const { args, options, stdout } = context
    const [verb, name, ...rest] = args
    if (verb === 'list' && name === undefined) {
      const { keys } = await withAdmin(context, (admin) => admin.listApiKeys({ namespace: options.namespace ?? '' }))
      printKeys(keys, context, options.output)
      return exitCode.ok
    }
    if (name === undefined || rest.length > 0) throw usage()
    const key = parseName(name, options.namespace)
    const lifetime = options.expires === 'never' ? null : duration('expires', options.expires)
    switch (verb) {
      case 'create': {
        const { owner, scope: scopes, workload: workloads } = options
        if (owner === undefined) throw new OutriderError('usage-arguments', 'create: --owner says whose key it is')
        const request = { ...key, owner, scopes: [...scopes], workloads: [...workloads], lifetime }
        printCreated(await withAdmin(context, (admin) => admin.createApiKey(request)), context, options.output)
        return exitCode.ok
      }
      case 'rotate': {
        const request = { ...key, overlap: duration('overlap', options.overlap), lifetime }
        printCreated(await withAdmin(context, (admin) => admin.rotateApiKey(request)), context, options.output)
        return exitCode.ok
      }
      case 'revoke': {
        const request = { ...key, id: options.id ?? '' }
        const { ids, document } = await withAdmin(context, (admin) => admin.revokeApiKey(request))
        const more = document === '' ? {} : { document: parsed(document) }
        if (options.output === 'table') sayDocument(document, context)
        print(stdout, options.output, { ...key, revoked: ids, ...more }, () => ({
          columns: ['REVOKED'],
          rows: ids.map((id) => [id]),
          empty: '',
        }))
        return exitCode.ok
      }
      case undefined:
      default:
        throw usage()
    }
  },
})

function usage(): OutriderError {
  return new OutriderError('usage-arguments', 'create NAME --owner OWNER, rotate NAME, revoke NAME, or list')
}

function duration(option: string, text: string): ProtobufTime {
  const ms = parseDuration(text)
  if (ms === undefined) throw new OutriderError('usage-duration', `--${option}: "${text}" is no duration such as 90d`)
  return durationOf(ms)
}

type Streams = Pick<CommandContext, 'stdout' | 'stderr'>

function printCreated(created: CreatedApiKey__Output, { stdout, stderr }: Streams, format: Format): void {
  const { id, key } = created
  const notAfterMs = millisecondsOf(created.notAfter)
  const previousMs = millisecondsOf(created.previousNotAfter)
  if (format === 'table') {
    // The key alone on the standard output, so that $(outrider apikey create ...) is the key.
    stdout.write(`${key}\n`)
    const end = notAfterMs === undefined ? 'until it is revoked' : `until ${formatTime(notAfterMs)}`
    const previous = previousMs === undefined ? '' : `; what was before it ends ${formatTime(previousMs)}`
    stderr.write(`good ${end} (ID ${id})${previous}. This is the only time that the key is shown.\n`)
    sayDocument(created.document, { stderr })
    return
  }
  const more = created.document === '' ? {} : { document: parsed(created.document) }
  const value = { id, key, notAfter: isoOr(notAfterMs), previousNotAfter: isoOr(previousMs), ...more }
  print(stdout, format, value, () => ({ columns: [], rows: [], empty: '' }))
}

/** Where the resources are in a cluster: what makes it so. */
function sayDocument(document: string, { stderr }: Pick<Streams, 'stderr'>): void {
  if (document === '') return
  stderr.write(`Not in force before this is applied to the cluster (kubectl apply --server-side -f -):\n${document}\n`)
}

function parsed(document: string): Json {
  return JSON.parse(document)
}

function printKeys(keys: readonly ListedApiKey__Output[], { stdout }: Streams, format: Format): void {
  const listed = keys.map(({ namespace, name, owner, scopes, workloads, secrets }) => ({
    name: `${namespace}/${name}`,
    owner,
    scopes,
    workloads,
    state: secrets.some(({ state }) => state === 'STATE_GOOD') ? 'good' : secrets.length > 0 ? 'expired' : 'revoked',
    secrets: secrets.map(({ id, state, createdAt, notAfter, lastUsed }) => ({
      id,
      state: stateWord(state),
      createdAt: isoOr(millisecondsOf(createdAt)),
      notAfter: isoOr(millisecondsOf(notAfter)),
      lastUsed: isoOr(millisecondsOf(lastUsed)),
    })),
  }))
  print(stdout, format, listed, () => ({
    columns: ['NAME', 'OWNER', 'SCOPES', 'ID', 'STATE', 'CREATED', 'ENDS', 'LAST USED'],
    rows: listed.flatMap(({ name, owner, scopes, state, secrets }) => {
      const whose = [name, owner, scopes.join(',') || '-']
      if (secrets.length === 0) return [[...whose, '-', state, '-', '-', '-']]
      return secrets.map((secret) => [...whose, secret.id, secret.state, ...times(secret)])
    }),
    empty: 'no API keys',
  }))
}

interface SecretTimes {
  readonly createdAt: string | null
  readonly notAfter: string | null
  readonly lastUsed: string | null
}

function time(iso: string | null, none: string): string {
  return iso === null ? none : formatTime(Date.parse(iso))
}

function times({ createdAt, notAfter, lastUsed }: SecretTimes): string[] {
  return [time(createdAt, '-'), time(notAfter, 'never'), time(lastUsed, 'never')]
}

function isoOr(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
