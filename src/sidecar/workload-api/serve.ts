import type { SidecarConfig } from '../../config/sidecar.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Drainable } from '../../lib/drain.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { loadPeerCredentials, type ReadPeerCredentials } from '../../lib/peer-credentials.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import { secretService, type WorkloadHandlers, workloadService } from '../../rpc/handler.ts'
import type { LocalCaller } from '../../rpc/peer.ts'
import { type RpcServer, type ServerEvents, serveSocket } from '../../rpc/server.ts'
import type { ServerStream } from '../../rpc/stream.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { sidecarMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'
import type { RequestJwtSvid } from '../../enrolment/identity.ts'
import { Admission, type WorkloadApiMethod } from './admission.ts'
import { Followers } from './follow.ts'
import { jwtBundlesResponse, jwtKeysKey, jwtSvidResponse, validateResponse } from './jwt.ts'
import { secretHandlers } from './sds.ts'
import { rootsKey, svidKey, x509BundlesResponse, x509SvidResponse } from './x509.ts'

export interface WorkloadApiOptions {
  readonly config: Pick<SidecarConfig, 'workloadApiSocket' | 'workloadApiUids'>
  readonly credentials: Watch<Credentials>
  readonly jwtSvid: RequestJwtSvid
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsOf<typeof sidecarMetrics>
  /** Another way to learn who has connected, for tests. */
  readonly readPeerCredentials?: ReadPeerCredentials
}

/** A token, with its framing, and names. */
const MAX_MESSAGE_BYTES = 65_536
const MAX_CONNECTIONS = 256

/**
 * Serves the identity of the workload to its processes: the SPIFFE Workload API and Envoy's secret discovery on one Unix socket.
 * `undefined` where `workloadApiSocket` is empty, and where it cannot be served: that is said in the log, and the
 * traffic goes on.
 */
export async function serveWorkloadApi(options: WorkloadApiOptions): Promise<Drainable | undefined> {
  const { config, log } = options
  const path = config.workloadApiSocket
  if (path === undefined) return undefined
  try {
    const read = options.readPeerCredentials ?? (await loadPeerCredentials())
    const uids = entitled(config.workloadApiUids)
    const server = await open(path, read, uids, options)
    log.info({ socket: path, uids: [...uids] }, 'the Workload API is served')
    return {
      close: () =>
        server.close(
          new OutriderError('sidecar-stopping', 'the sidecar is stopping', { source: 'dependency', retryable: true }),
        ),
      destroy: () => server.destroy(),
    }
  } catch (error) {
    log.error({ socket: path, error, reason: describeError(error) }, 'the Workload API is not served')
    return undefined
  }
}

function open(
  path: string,
  read: ReadPeerCredentials,
  uids: ReadonlySet<number>,
  { credentials, jwtSvid, clock, log, metrics }: WorkloadApiOptions,
): Promise<RpcServer> {
  const admission = new Admission({ read, uids, clock, log })
  const followers = new Followers({
    credentials,
    onCount: (streams) => metrics.workloadApiStreams.set(streams),
    onBug: (error) => log.error({ error }, 'a stream of the Workload API failed for a reason of our own'),
  })
  const admit = (method: WorkloadApiMethod, caller: LocalCaller): void => {
    try {
      admission.require(caller)
      metrics.workloadApiCalls.with({ method, result: 'admitted' }).inc()
    } catch (thrown) {
      metrics.workloadApiCalls.with({ method, result: 'refused' }).inc()
      throw thrown
    }
  }
  /** Sends what `make` makes now, and again with each value that has another `keyOf`. */
  const follow = <Out>(
    stream: ServerStream<Out>,
    make: (credentials: Credentials) => Out,
    keyOf: (credentials: Credentials) => string,
  ): void => {
    let last: string | undefined
    const tell = (value: Credentials): void => {
      const key = keyOf(value)
      if (key === last) return
      stream.send(make(value))
      last = key
    }
    followers.follow(stream, tell)
    tell(credentials.current)
  }
  const workload: WorkloadHandlers = {
    fetchX509Svid: (_request, stream, caller) => {
      admit('FetchX509SVID', caller)
      follow(stream, (value) => x509SvidResponse(value, clock.now()), svidKey)
    },
    fetchX509Bundles: (_request, stream, caller) => {
      admit('FetchX509Bundles', caller)
      follow(stream, x509BundlesResponse, rootsKey)
    },
    fetchJwtSvid: (request, caller) => {
      admit('FetchJWTSVID', caller)
      return jwtSvidResponse(request, credentials.current, jwtSvid)
    },
    fetchJwtBundles: (_request, stream, caller) => {
      admit('FetchJWTBundles', caller)
      follow(stream, jwtBundlesResponse, jwtKeysKey)
    },
    validateJwtSvid: (request, caller) => {
      admit('ValidateJWTSVID', caller)
      return validateResponse(request, credentials.current.bundles, clock.now())
    },
  }
  const secrets = secretHandlers({ credentials, followers, admit, log })
  // Anybody may open the socket, as far as the mode of its folder lets them: who that is decides.
  return serveSocket(
    path,
    [workloadService(workload), secretService(secrets)],
    { maxMessageBytes: MAX_MESSAGE_BYTES, maxConnections: MAX_CONNECTIONS },
    eventsTo(log),
    { mode: 0o666, credentialsOf: (socket) => admission.credentialsOf(socket) },
  )
}

/** The users of the option, or the one that this process is. Throws `config-value-out-of-range`. */
function entitled(option: string | undefined): ReadonlySet<number> {
  if (option === undefined) return new Set([process.getuid?.() ?? 0])
  const uids = option.split(',').map(Number)
  const wrong = uids.find((uid) => uid >= NO_USER)
  if (wrong !== undefined) {
    throw new OutriderError('config-value-out-of-range', `${wrong} is no user ID`, { place: 'workloadApiUids' })
  }
  return new Set(uids)
}

/** `(uid_t) -1` */
const NO_USER = 0xffff_ffff

function eventsTo(log: Logger): ServerEvents {
  return {
    bug: (method, error) => log.error({ method, error }, 'a call of the Workload API failed for a reason of our own'),
    connectionDropped: (source, maxConnections) =>
      log.warn({ source, maxConnections }, 'a connection of the Workload API was closed: too many are open'),
    // There is no TLS on a Unix socket.
    peerRefused: () => {},
    handshakeFailed: () => {},
  }
}
