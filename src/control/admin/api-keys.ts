import { randomBytes } from 'node:crypto'
import { newApiKey } from '../../identity/api-key.ts'
import { OutriderError } from '../../lib/errors.ts'
import { isoOf, type ProtobufTime, timestampOf } from '../../lib/protobuf-time.ts'
import { type ApiKey, type ApiKeySecret, apiVersion, defaultNamespace } from '../../policy/model.ts'
import type { AdminHandlers } from '../../rpc/handler.ts'
import type { AuditEvent, AuditLog } from '../../telemetry/audit.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { CreatedApiKey } from '../../wire/outrider/admin/v1/CreatedApiKey.ts'
import type { ListedApiKey } from '../../wire/outrider/admin/v1/ListedApiKey.ts'
import type { ListedSecret } from '../../wire/outrider/admin/v1/ListedSecret.ts'
import type { Refused } from '../publish/admit.ts'
import type { Mesh } from '../publish/mesh.ts'
import { publish } from '../publish/path.ts'

export interface ApiKeyParts {
  readonly mesh: Mesh
  readonly audit: AuditLog
  readonly log: Logger
  /** What is thrown for a document that is refused. */
  readonly refusal: (refused: Refused) => OutriderError
}

type ApiKeyHandlers = Pick<AdminHandlers, 'createApiKey' | 'rotateApiKey' | 'revokeApiKey' | 'listApiKeys'>

interface Name {
  readonly namespace: string
  readonly name: string
}

/** What became of an ApiKey. */
interface Saved {
  readonly revision: number
  /** Not stored: for the operator to apply, because the resources are in a cluster. Else empty. */
  readonly document: string
}

const MIN_LIFETIME_MS = 60_000
const MAX_LIFETIME_MS = 3650 * 86_400_000
const MAX_OVERLAP_MS = 90 * 86_400_000

/**
 * API keys are ApiKey resources; these calls make their secrets, so that there is none that a person has thought up. A key is in the
 * answer of the call that makes it and nowhere else.
 */
export function apiKeyHandlers({ mesh, audit, log, refusal }: ApiKeyParts): ApiKeyHandlers {
  const { store, clock } = mesh
  const existing = ({ namespace, name }: Name): ApiKey => {
    const resource = store.get({ kind: 'ApiKey', namespace, name })?.resource
    if (resource?.kind === 'ApiKey') return resource
    throw new OutriderError('resource-not-found', `there is no ApiKey ${namespace}/${name}`)
  }
  const save = (name: Name, spec: ApiKey['spec'], event: AuditEvent['event'], secretIds: readonly string[]): Saved => {
    const documents = [JSON.stringify(documentOf(name, spec))]
    const proposed = publish(documents, mesh, true)
    if (proposed.kind === 'refused') throw refusal(proposed)
    const apiKey = `${name.namespace}/${name.name}`
    // Before it is in force: what cannot be recorded must not happen.
    audit.record({ event, apiKey, owner: spec.owner, secretIds })
    if (mesh.source !== undefined) {
      log.info({ apiKey, owner: spec.owner, secretIds }, `${event}: to be applied to the cluster`)
      return { revision: proposed.revision, document: documents.join('') }
    }
    const published = publish(documents, mesh, false)
    if (published.kind === 'refused') throw refusal(published)
    log.info({ apiKey, owner: spec.owner, secretIds, revision: published.revision }, event)
    return { revision: published.revision, document: '' }
  }
  return {
    createApiKey: ({ namespace, name, owner, scopes, workloads, lifetime }): CreatedApiKey => {
      const key: Name = { namespace: namespace || defaultNamespace, name }
      if (store.get({ kind: 'ApiKey', ...key }) !== undefined) {
        throw new OutriderError('api-key-exists', `there is an ApiKey ${key.namespace}/${name} already: rotate it`)
      }
      const { text, secret } = makeSecret(clock.now(), lifetime)
      const spec = { workloads, owner, scopes, secrets: [secret] }
      const saved = save(key, spec, 'api-key-created', [secret.id])
      return { id: secret.id, key: text, ...saved, notAfter: timestampOr(secret.notAfterMs) }
    },

    rotateApiKey: ({ namespace, name, overlap, lifetime }): CreatedApiKey => {
      const key: Name = { namespace: namespace || defaultNamespace, name }
      const { spec } = existing(key)
      const now = clock.now()
      const overlapMs = overlap === null ? 0 : millisecondsIn(overlap)
      if (overlapMs > MAX_OVERLAP_MS) {
        throw new OutriderError('api-key-overlap', 'the secrets before it may stay good for 90 days at most', {
          place: 'overlap',
        })
      }
      const { text, secret } = makeSecret(now, lifetime)
      const previousEndMs = now + overlapMs
      const kept = spec.secrets
        .map((old) => ({ ...old, notAfterMs: Math.min(old.notAfterMs ?? Number.POSITIVE_INFINITY, previousEndMs) }))
        .filter(({ notAfterMs }) => notAfterMs > now)
      const saved = save(key, { ...spec, secrets: [...kept, secret] }, 'api-key-rotated', [secret.id])
      const lastEndMs = kept.length === 0 ? undefined : Math.max(...kept.map(({ notAfterMs }) => notAfterMs))
      return {
        id: secret.id,
        key: text,
        ...saved,
        notAfter: timestampOr(secret.notAfterMs),
        previousNotAfter: timestampOr(lastEndMs),
      }
    },

    revokeApiKey: ({ namespace, name, id }) => {
      const key: Name = { namespace: namespace || defaultNamespace, name }
      const { spec } = existing(key)
      const ids = spec.secrets.map((secret) => secret.id).filter((known) => id === '' || known === id)
      if (ids.length === 0) {
        const which = id === '' ? 'no secret' : `no secret ${JSON.stringify(id)}`
        throw new OutriderError('api-key-secret-unknown', `the ApiKey ${key.namespace}/${name} has ${which}`)
      }
      const secrets = spec.secrets.filter((secret) => !ids.includes(secret.id))
      return { ids, ...save(key, { ...spec, secrets }, 'api-key-revoked', ids) }
    },

    listApiKeys: ({ namespace }) => {
      const uses = store.apiKeyUses()
      const found = store.list({ kind: 'ApiKey', ...(namespace === '' ? {} : { namespace }) })
      const keys = found.flatMap(({ resource }) => (resource.kind === 'ApiKey' ? [resource] : []))
      return { keys: keys.map((key) => listed(key, uses, clock.now())) }
    },
  }
}

function makeSecret(
  nowMs: number,
  lifetime: ProtobufTime | null,
): { readonly text: string; readonly secret: ApiKeySecret } {
  const lifetimeMs = lifetime === null ? undefined : millisecondsIn(lifetime)
  if (lifetimeMs !== undefined && !(lifetimeMs >= MIN_LIFETIME_MS && lifetimeMs <= MAX_LIFETIME_MS)) {
    throw new OutriderError('api-key-lifetime', 'an API key lives from 1 minute to 3650 days, or until it is revoked', {
      place: 'lifetime',
    })
  }
  const { text, id, salt, hash } = newApiKey(randomBytes)
  const end = lifetimeMs === undefined ? {} : { notAfterMs: nowMs + lifetimeMs }
  return { text, secret: { id, salt, hash, createdAtMs: nowMs, ...end } }
}

/** As an operator would write it: what is stored is admitted like any other document. */
function documentOf(metadata: Name, { secrets, ...spec }: ApiKey['spec']): object {
  return {
    apiVersion,
    kind: 'ApiKey',
    metadata,
    spec: {
      ...spec,
      secrets: secrets.map(({ createdAtMs, notAfterMs, ...secret }) => ({
        ...secret,
        createdAt: isoOf(timestampOf(createdAtMs)),
        ...(notAfterMs === undefined ? {} : { notAfter: isoOf(timestampOf(notAfterMs)) }),
      })),
    },
  }
}

function listed({ metadata, spec }: ApiKey, uses: ReadonlyMap<string, number>, nowMs: number): ListedApiKey {
  const { owner, scopes, workloads, secrets } = spec
  return {
    ...metadata,
    owner,
    scopes: [...scopes],
    workloads: [...workloads],
    secrets: secrets.map(
      ({ id, createdAtMs, notAfterMs }): ListedSecret => ({
        id,
        state: notAfterMs !== undefined && notAfterMs <= nowMs ? 'STATE_EXPIRED' : 'STATE_GOOD',
        createdAt: timestampOf(createdAtMs),
        notAfter: timestampOr(notAfterMs),
        lastUsed: timestampOr(uses.get(id)),
      }),
    ),
  }
}

function timestampOr(ms: number | undefined): ProtobufTime | null {
  return ms === undefined ? null : timestampOf(ms)
}

function millisecondsIn({ seconds, nanos }: ProtobufTime): number {
  return seconds * 1000 + nanos / 1_000_000
}
