import { randomBytes } from 'node:crypto'
import { formatBundleDocument } from '../../identity/bundle-document.ts'
import type { Clock } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import { defaultNamespace, type Kind, kinds, type ResourceName } from '../../policy/model.ts'
import type { AdminHandlers } from '../../rpc/handler.ts'
import { timestampOf } from '../../lib/protobuf-time.ts'
import { formatJoinToken, TOKEN_SECRET_BYTES } from '../../rpc/token.ts'
import type { AuditLog } from '../../telemetry/audit.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { ClusterState } from '../../wire/outrider/admin/v1/ClusterState.ts'
import type { ControlStatus } from '../../wire/outrider/admin/v1/ControlStatus.ts'
import type { ResourceRef__Output } from '../../wire/outrider/admin/v1/ResourceRef.ts'
import type { Token } from '../../wire/outrider/admin/v1/Token.ts'
import type { CaHome } from '../ca/home.ts'
import type { Federation } from '../federation/federation.ts'
import { hashSecret } from '../identity/attest/join-token.ts'
import type { OwnIdentity } from '../own-identity.ts'
import { apiKeyHandlers } from './api-keys.ts'
import { authorityHandlers } from './authorities.ts'
import type { Mesh } from '../publish/mesh.ts'
import { publish, publishInTurns, withdraw } from '../publish/path.ts'
import type { Sessions } from '../publish/sessions.ts'
import type { ServerReports } from '../server-reports.ts'
import type { SidecarRegistry } from '../sidecars.ts'
import type { TokenRecord } from '../store/store.ts'
import type { Canaries } from './canary.ts'
import { listSidecars } from './ledger.ts'
import { refuseWrites } from './read-only.ts'
import { watchResources } from './watch.ts'
import { refusal, wireFederated, wireOutcome, wireStored } from './wire.ts'

export interface AdminParts {
  readonly mesh: Mesh
  readonly home: CaHome
  readonly identity: OwnIdentity
  readonly sessions: Sessions
  readonly sidecars: SidecarRegistry
  readonly reports: ServerReports
  readonly canaries: Canaries
  readonly federation: Federation
  readonly audit: AuditLog
  /** Makes the store forget what is of no use any more. */
  readonly prune: () => void
  readonly log: Logger
  readonly programVersion: string
  readonly startedAtMs: number
  /** Known once the server listens. */
  grpcAddress(): string
  readonly bundleEndpoint: string | undefined
  /** Of the cluster that the store is a copy of, where it is one. */
  clusterState(): ClusterState | undefined
  readonly bundleRefreshHintMs: number
}

const DEFAULT_TOKEN_TTL_MS = 10 * 60 * 1000
const MAX_TOKEN_TTL_MS = 24 * 60 * 60 * 1000
const MAX_TOKENS = 10_000
/** Below what rpc/client.ts reads. */
const MAX_LIST_BYTES = 60 * 1024 * 1024

/** What operators may do. There is no permission to check: who can open the socket is the owner. */
export function adminHandlers(parts: AdminParts): AdminHandlers {
  const { mesh, home, identity, sessions, sidecars, canaries, federation, audit, log } = parts
  const { authority } = home
  const { store, catalogue, clock } = mesh
  const watch = watchResources(store)
  /** Of kinds that say whom nobody may believe any more, and whom everybody may. */
  const auditChange = (verb: 'applied' | 'deleted', { kind, namespace, name }: ResourceName): void => {
    if (kind === 'Revocation') audit.record({ event: `revocation-${verb}`, revocation: `${namespace}/${name}` })
    if (kind === 'ApiKey') audit.record({ event: `api-key-${verb}`, apiKey: `${namespace}/${name}` })
  }
  const handlers: AdminHandlers = {
    apply: async ({ documents, dryRun }) => {
      const result = dryRun
        ? publish(documents, mesh, true)
        : await publishInTurns(documents, mesh, () => canaries.checkFree(documents.map(kindOf)))
      if (result.kind === 'refused') throw refusal(result)
      const { revision, outcomes } = result
      if (!dryRun) {
        log.info({ revision, documents: documents.length }, 'resources applied')
        for (const { name, change } of outcomes) if (change !== 'unchanged') auditChange('applied', name)
      }
      return { revision, outcomes: outcomes.map(wireOutcome) }
    },

    applyCanary: canaries.apply,

    get: ({ ref }) => {
      const name = resourceName(ref)
      return wireStored(store.get(name) ?? notFound(name))
    },

    list: ({ kind, namespace }) => {
      const found = store.list(filterOf(kind, namespace)).map(wireStored)
      const bytes = found.reduce((sum, { document = '' }) => sum + Buffer.byteLength(document), 0)
      if (bytes > MAX_LIST_BYTES) {
        throw new OutriderError(
          'list-too-large',
          `${found.length} resources with ${bytes} bytes; one answer holds ${MAX_LIST_BYTES}: ask for one namespace or kind`,
        )
      }
      return { revision: store.revision, resources: found }
    },

    delete: ({ ref }) => {
      const name = resourceName(ref)
      if (store.get(name) === undefined) notFound(name)
      canaries.checkFree([name.kind])
      const revision = withdraw(name, mesh)
      log.info({ revision, ...name }, 'resource deleted')
      auditChange('deleted', name)
      return { revision }
    },

    watch: ({ kind, namespace }, stream) => watch(filterOf(kind, namespace), stream),

    createToken: ({ namespace, workload: name, ttl }) => {
      const reference = { namespace: namespace || defaultNamespace, name }
      const workload = catalogue.workload(reference) ?? notFound({ kind: 'Workload', ...reference })
      const ttlMs = ttl === null ? DEFAULT_TOKEN_TTL_MS : ttl.seconds * 1000 + ttl.nanos / 1_000_000
      if (!(ttlMs >= 1000 && ttlMs <= MAX_TOKEN_TTL_MS)) {
        throw new OutriderError('token-ttl', 'a join token lives from 1 second to 24 hours', { place: 'ttl' })
      }
      parts.prune()
      if (store.countTokens() >= MAX_TOKENS) {
        throw new OutriderError('too-many-tokens', `there are ${MAX_TOKENS} join tokens, and that is the limit`)
      }
      const { spiffeId } = workload.spec
      const secret = randomBytes(TOKEN_SECRET_BYTES).toString('base64url')
      const { id, hash } = hashSecret(secret)
      const expiresAtMs = clock.now() + ttlMs
      audit.record({ event: 'token-created', tokenId: id, spiffeId, notAfter: new Date(expiresAtMs).toISOString() })
      store.addToken({ id, hash, spiffeId, expiresAtMs })
      log.info({ tokenId: id, spiffeId, until: new Date(expiresAtMs).toISOString() }, 'join token created')
      const token = formatJoinToken({ spiffeId, secret, rootFingerprint: identity.rootFingerprint })
      return { id, token, spiffeId, expiresAt: timestampOf(expiresAtMs) }
    },

    listTokens: () => ({ tokens: store.listTokens().map((token) => wireToken(token, clock)) }),

    revokeToken: ({ id }) => {
      if (!store.revokeToken(id, clock.now())) {
        throw new OutriderError('token-not-found', `there is no unused join token ${id}`)
      }
      audit.record({ event: 'token-revoked', tokenId: id })
      log.info({ tokenId: id }, 'join token revoked')
      return {}
    },

    listSidecars: () => ({ sidecars: listSidecars(sidecars, sessions, canaries) }),

    getStatus: (): ControlStatus => ({
      trustDomain: authority.trustDomain,
      revision: store.revision,
      programVersion: parts.programVersion,
      startedAt: timestampOf(parts.startedAtMs),
      rootFingerprint: authority.active.fingerprint,
      rootNotAfter: timestampOf(authority.active.root.notAfterMs),
      intermediateNotAfter: timestampOf(authority.active.signersNotAfterMs),
      connectedSidecars: sessions.size,
      grpcAddress: parts.grpcAddress(),
      bundleEndpoint: parts.bundleEndpoint ?? '',
      federation: federation.list().map(wireFederated),
      kubernetes: parts.clusterState() ?? null,
    }),

    getBundle: ({ trustDomain: wanted }) => {
      const trustDomain = wanted || authority.trustDomain
      const foreign = federation.list().find((domain) => domain.trustDomain === trustDomain)
      const bundle = trustDomain === authority.trustDomain ? authority.bundle.current : foreign?.bundle
      if (bundle === undefined) {
        throw new OutriderError('trust-domain-not-found', `there is no trust bundle of ${JSON.stringify(trustDomain)}`)
      }
      return { trustDomain, document: formatBundleDocument(bundle, parts.bundleRefreshHintMs) }
    },

    ...apiKeyHandlers({ mesh, audit, log, refusal }),
    ...authorityHandlers({ home, identity, sessions, sidecars, reports: parts.reports, clock, audit, log }),
  }
  return mesh.source === undefined ? handlers : { ...handlers, ...refuseWrites(handlers) }
}

/** What a text says that it is; whether it is that, admission finds. */
function kindOf(document: string): unknown {
  try {
    const value: unknown = JSON.parse(document)
    return typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined
  } catch {
    return undefined
  }
}

function notFound({ kind, namespace, name }: ResourceName): never {
  throw new OutriderError('resource-not-found', `there is no ${kind} ${namespace}/${name}`)
}

function resourceName(ref: ResourceRef__Output | null): ResourceName {
  const { kind, namespace, name } = ref ?? { kind: '', namespace: '', name: '' }
  return { kind: knownKind(kind), namespace: namespace || defaultNamespace, name }
}

function knownKind(text: string): Kind {
  const kind = kinds.find((known) => known === text)
  if (kind === undefined) {
    throw new OutriderError('kind-unknown', `there is no kind "${text}"; there are ${kinds.join(', ')}`)
  }
  return kind
}

function filterOf(kind: string, namespace: string): { kind?: Kind; namespace?: string } {
  return { ...(kind === '' ? {} : { kind: knownKind(kind) }), ...(namespace === '' ? {} : { namespace }) }
}

function wireToken(token: TokenRecord, clock: Clock): Token {
  const { id, spiffeId, expiresAtMs } = token
  return { id, spiffeId, state: tokenState(token, clock.now()), expiresAt: timestampOf(expiresAtMs) }
}

function tokenState({ usedAtMs, revokedAtMs, expiresAtMs }: TokenRecord, nowMs: number): Token['state'] & string {
  if (usedAtMs !== undefined) return 'STATE_USED'
  if (revokedAtMs !== undefined) return 'STATE_REVOKED'
  return expiresAtMs <= nowMs ? 'STATE_EXPIRED' : 'STATE_UNUSED'
}
