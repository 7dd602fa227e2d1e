import type { Socket } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { ControlConfig } from '../config/control.ts'
import type { TrustBundle, TrustBundleSet } from '../identity/bundle.ts'
import { parseTrustDomain } from '../identity/spiffe-id.ts'
import { ApiClient } from '../kubernetes/client.ts'
import { podConnection } from '../kubernetes/connection.ts'
import type { Clock } from '../lib/clock.ts'
import { type Address, formatAddress } from '../lib/address.ts'
import type { Drainable } from '../lib/drain.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { listen } from '../lib/listen.ts'
import type { Random } from '../lib/random.ts'
import { type Watch, WatchCell } from '../lib/watch.ts'
import { adminService, attestService, type IdentityHandlers, identityService, policyService } from '../rpc/handler.ts'
import type { PeerCredentials } from '../lib/peer-credentials.ts'
import { type RpcServer, type ServerEvents, type ServerLimits, serveSocket, serveTls } from '../rpc/server.ts'
import { createAdminServer } from '../telemetry/admin-server.ts'
import { serveHealth } from '../telemetry/health-server.ts'
import { openAuditLog } from '../telemetry/audit.ts'
import type { Logger, RootLogger } from '../telemetry/log.ts'
import { controlMetrics } from '../telemetry/names.ts'
import { type ProcessState, processPages } from '../telemetry/process-pages.ts'
import { createMetrics, type MetricRegistry } from '../telemetry/registry.ts'
import { Canaries } from './admin/canary.ts'
import { adminHandlers } from './admin/handlers.ts'
import { countSidecars } from './admin/ledger.ts'
import { openDataFolder } from './data-folder.ts'
import { openAttestors } from './identity/attest/open.ts'
import { CertificateFiles, type CertificatePair } from './federation/certificate-files.ts'
import { type BundleServer, serveBundle } from './federation/endpoint.ts'
import { Federation } from './federation/federation.ts'
import { ClusterStore } from './kubernetes/cluster-store.ts'
import { jwtIssuer } from './identity/jwt.ts'
import { housekeeping } from './housekeeping.ts'
import { identityHandlers } from './identity/service.ts'
import { TrustConfigMaps } from './kubernetes/trust-config-maps.ts'
import { countCa, openCa } from './open-ca.ts'
import { OwnIdentity } from './own-identity.ts'
import { Catalogue } from './publish/catalogue.ts'
import type { Mesh } from './publish/mesh.ts'
import { Sessions } from './publish/sessions.ts'
import { ServerReports } from './server-reports.ts'
import { SidecarRegistry } from './sidecars.ts'
import { openSqliteStore } from './store/sqlite.ts'

export interface ControlSurroundings {
  readonly clock: Clock
  readonly random: Random
  readonly log: RootLogger
  readonly programVersion: string
  /** Asks the kernel who is at the other end of a Unix socket; needed for `attestSocket`. */
  readonly credentialsOf?: (socket: Socket) => PeerCredentials
}

export interface ControlServer extends Drainable {
  /** `host:port` with the real port. */
  readonly grpcAddress: string
  /** Path of the Unix socket of the administration API. */
  readonly adminSocket: string
  /** `host:port` of the admin endpoint, when there is one. */
  readonly adminAddress: string | undefined
  /** `host:port` where a kubelet asks, when it does. */
  readonly healthAddress: string | undefined
  /** `host:port` of the bundle endpoint, when there is one. */
  readonly bundleEndpoint: string | undefined
  readonly metrics: MetricRegistry<typeof controlMetrics>
}

const MAX_RESOURCES = 100_000
const MAX_ADMIN_CONNECTIONS = 100
/** On the attestation socket: each is there for one call. */
const MAX_LOCAL_CONNECTIONS = 1000
/** Over the sidecars that are let in: connections of those that come, attest, or are told that there are too many. */
const SPARE_CONNECTIONS = 1000
/** An Apply of as much as is admitted, with its framing. */
const ADMIN_MESSAGE_BYTES = 8 * 1024 * 1024

/**
 * The control server: first what it must not forget, then who it is, then the ports. Every way in which it cannot start
 * is one `OutriderError` of one line, and leaves nothing open.
 */
export async function startControl(config: ControlConfig, surroundings: ControlSurroundings): Promise<ControlServer> {
  const { clock, random, log, programVersion } = surroundings
  const undo: (() => void)[] = []
  try {
    const folder = openDataFolder(config.data)
    undo.push(() => folder.release())
    const inCluster = config.store === 'kubernetes'
    const store = openSqliteStore(join(folder.path, 'outrider.db'), undefined, inCluster ? 'kubernetes' : 'own')
    undo.push(() => store.close())
    const audit = openAuditLog(config.auditLogPath ?? join(folder.path, 'audit.log'), clock, (error) =>
      log.error({ error }, 'a refusal is missing in the audit log'),
    )
    undo.push(() => audit.close())

    const trustDomain = parseTrustDomain(config.trustDomain)
    const api = inCluster ? clusterOf(config, clock) : undefined
    undo.push(() => api?.close())
    const parts = { dataDir: folder.path, trustDomain, meshKnown: store.revision > 0, api, clock, random, log }
    const home = await openCa(config, parts)
    undo.push(() => home.close())
    const { authority } = home
    // The only one that callers are verified with: nobody of another trust domain is a client of this server.
    const own = new WatchCell<TrustBundleSet>(new Map([[trustDomain, authority.bundle.current]]))
    undo.push(authority.bundle.subscribe((bundle) => own.set(new Map([[trustDomain, bundle]]))))
    const identity = new OwnIdentity(authority, own, store, audit, config.svidTtlMs, clock, log)
    undo.push(() => identity.close())

    const registry = createMetrics(controlMetrics, clock)
    undo.push(() => registry.destroy())
    const { metrics } = registry
    let notReady: string | undefined = 'starting'
    undo.push(countCa(home, metrics))
    const cluster = api && new ClusterStore(config, api, { clock, random, log, metrics }, store.revision > 0)
    if (cluster !== undefined) undo.push(() => cluster.close())
    const state = { log, registry, notReady: () => notReady ?? cluster?.notReady }
    const adminAddress = await openAdmin(config.admin, state, undo)
    const health = config.health && (await serveHealth({ ...state, address: config.health }))
    if (health !== undefined) undo.push(() => health.close())
    if (api !== undefined) {
      const { kubernetesNamespace: namespace, kubernetesNamespaces } = config
      const namespaces = kubernetesNamespaces?.split(',') ?? []
      const catchUp = (): Promise<void> => home.catchUp()
      const roots = new TrustConfigMaps({
        client: api,
        namespace,
        namespaces,
        authority,
        catchUp,
        clock,
        random,
        log,
        metrics,
      })
      undo.push(() => roots.close())
    }
    metrics.storeRevision.set(store.revision)
    const catalogue = new Catalogue(store.list().map(({ resource }) => resource))
    // The first to hear of a commit: whoever is told later finds the catalogue current.
    store.watch(({ changes }) => catalogue.follow(changes))
    const federation = new Federation({
      own: authority.bundle,
      store,
      catalogue,
      dataDir: folder.path,
      clock,
      random,
      audit,
      log,
      metrics,
    })
    undo.push(() => federation.close())
    const { bundles } = federation
    const sidecars = new SidecarRegistry(store, catalogue, clock, config.endpointGraceMs, log)
    undo.push(() => sidecars.close())
    const mesh: Mesh = {
      store,
      catalogue,
      limits: { trustDomain, maxResources: MAX_RESOURCES },
      clock,
      // Another server of the cluster would not know what is reported here.
      endpointsOf: inCluster ? () => [] : (id) => sidecars.endpointsOf(id),
      ...(cluster && { source: cluster }),
    }
    const sessions = new Sessions(mesh, sidecars, config, random, log, metrics)
    const serverName = cluster?.serverName ?? hostname()
    const isGone = (server: string): boolean => cluster?.isGone(server) ?? false
    const present = (): readonly string[] => cluster?.otherServers ?? []
    const reports = new ServerReports({ home, sessions, identity, serverName, isGone, present, clock, log })
    undo.push(() => reports.close())
    const canaries = new Canaries({ mesh, sessions, clock, log, metrics })
    undo.push(() => canaries.close(), countSidecars(sidecars, sessions, metrics, clock))
    const prune = (): void => store.prune(clock.now(), config.expiredRenewalMs)
    const chores = {
      store: prune,
      sidecars: () => sidecars.prune(),
      signers: () => home.renewSigners(),
    }
    undo.push(housekeeping(chores, clock, log))

    const options = { ...config, maxWatchers: config.maxSidecars }
    const attestors = openAttestors(config, store, clock)
    const identities = identityHandlers({
      authority,
      bundles,
      store,
      catalogue,
      attestors,
      checkReady: cluster && (() => cluster.checkReady()),
      audit,
      clock,
      log,
      metrics,
      options,
    })
    const issueJwtSvid = jwtIssuer({ signer: () => authority.jwtSigner, trustDomain, catalogue, audit, clock, log })
    const services = [
      identityService({ ...identities, issueJwtSvid }),
      policyService({ subscribe: sessions.subscribe }),
    ]
    const limits = { maxMessageBytes: config.maxMessageBytes, maxConnections: config.maxSidecars + SPARE_CONNECTIONS }
    const grpc = await serveTls(config.listen, identity.credentials, services, limits, clock, eventsTo(log))
    undo.push(() => grpc.destroy())
    const bundleServer = await openBundleEndpoint(
      config,
      { bundle: authority.bundle, credentials: identity.credentials, clock, log },
      undo,
    )
    const admin = await serveSocket(
      config.adminSocket ?? join(folder.path, 'admin.sock'),
      [
        adminService(
          adminHandlers({
            mesh,
            home,
            identity,
            sessions,
            sidecars,
            reports,
            canaries,
            federation,
            audit,
            prune,
            log,
            programVersion,
            startedAtMs: clock.now(),
            grpcAddress: () => grpc.address,
            bundleEndpoint: bundleServer?.address,
            clusterState: () => cluster?.state,
            bundleRefreshHintMs: config.bundleRefreshHintMs,
          }),
        ),
      ],
      { maxMessageBytes: ADMIN_MESSAGE_BYTES, maxConnections: MAX_ADMIN_CONNECTIONS },
      eventsTo(log),
    )
    undo.push(() => admin.destroy())
    const local = await openAttestSocket(config, surroundings, identities.attest)
    if (local !== undefined) undo.push(() => local.destroy())
    cluster?.start(mesh, sessions)
    const { revision } = store
    log.info(
      { grpcAddress: grpc.address, adminSocket: admin.address, trustDomain, revision, root: identity.rootFingerprint },
      'control server is ready',
    )
    notReady = undefined
    return {
      grpcAddress: grpc.address,
      adminSocket: admin.address,
      adminAddress,
      healthAddress: health && formatAddress(health.address),
      bundleEndpoint: bundleServer?.address,
      metrics: registry,
      close: async () => {
        notReady = 'stopping'
        await Promise.all([grpc.close(), admin.close(), local?.close(), reports.leave(), cluster?.leave()])
        unwind(undo)
      },
      destroy: () => unwind(undo),
    }
  } catch (thrown) {
    unwind(undo)
    throw thrown
  }
}

/** The API server of the cluster that we are in. */
function clusterOf({ kubernetesApi, kubernetesCaFile, kubernetesTokenFile }: ControlConfig, clock: Clock): ApiClient {
  return new ApiClient(podConnection(kubernetesApi, kubernetesCaFile, kubernetesTokenFile), clock)
}

/** Opens the socket on which processes of this machine attest, where one is wanted. */
async function openAttestSocket(
  { attestSocket, maxMessageBytes }: ControlConfig,
  { log, credentialsOf }: ControlSurroundings,
  attest: IdentityHandlers['attest'],
): Promise<RpcServer | undefined> {
  if (attestSocket === undefined) return undefined
  if (credentialsOf === undefined) {
    throw new OutriderError('attest-socket-unusable', 'this system does not say who opens a Unix socket', {
      place: 'attestSocket',
    })
  }
  const limits: ServerLimits = { maxMessageBytes, maxConnections: MAX_LOCAL_CONNECTIONS }
  return serveSocket(attestSocket, [attestService(attest)], limits, eventsTo(log), { mode: 0o666, credentialsOf })
}

/** Opens the admin endpoint where one is wanted; gives its address with the real port. */
async function openAdmin(
  address: Address | undefined,
  state: ProcessState,
  undo: (() => void)[],
): Promise<string | undefined> {
  if (address === undefined) return undefined
  const server = createAdminServer(processPages(state), state.log)
  undo.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return formatAddress(await listen(server, address, 'admin'))
}

interface EndpointParts {
  readonly bundle: Watch<TrustBundle>
  /** The own SVID. */
  readonly credentials: Watch<CertificatePair>
  readonly clock: Clock
  readonly log: Logger
}

/** Publishes the own trust bundle where that is wanted. */
async function openBundleEndpoint(
  config: ControlConfig,
  { bundle, credentials, clock, log }: EndpointParts,
  undo: (() => void)[],
): Promise<BundleServer | undefined> {
  const { bundleEndpoint: address, bundleEndpointCertificateFile, bundleEndpointKeyFile, bundleRefreshHintMs } = config
  if (address === undefined) return undefined
  let certificate = credentials
  if (bundleEndpointCertificateFile !== undefined && bundleEndpointKeyFile !== undefined) {
    const files = new CertificateFiles(bundleEndpointCertificateFile, bundleEndpointKeyFile, clock, log)
    undo.push(() => files.close())
    certificate = files.pair
  }
  const server = await serveBundle({ address, certificate, bundle, refreshHintMs: bundleRefreshHintMs, log })
  undo.push(() => server.close())
  log.info({ bundleEndpoint: server.address, profile: config.bundleEndpointProfile }, 'the trust bundle is published')
  return server
}

/** Undoes in the opposite order; each step once, whoever comes first. */
function unwind(undo: (() => void)[]): void {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) step()
}

function eventsTo(log: Logger): ServerEvents {
  return {
    bug: (method, error) => log.error({ method, error }, 'a call failed for a reason of our own'),
    peerRefused: (source, { code, message }) =>
      log.warn({ source, code }, `a client certificate is refused: ${message}`),
    handshakeFailed: (source, error) => log.debug({ source, error: describeError(error) }, 'TLS handshake failed'),
    connectionDropped: (source, maxConnections) =>
      log.warn({ source, maxConnections }, 'a connection was closed: too many are open'),
  }
}
