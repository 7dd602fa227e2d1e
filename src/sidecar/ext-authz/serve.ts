import type { SidecarConfig } from '../../config/sidecar.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Drainable } from '../../lib/drain.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { isOfThisMachine, parseServerAddress } from '../../lib/server-address.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { Distrust } from '../../mtls/distrust.ts'
import { type AuthorizationHandlers, authorizationService, healthService } from '../../rpc/handler.ts'
import { type Caller, privateKeyPem, requireIdentity, rootsPem } from '../../rpc/peer.ts'
import {
  type RpcServer,
  type ServerCredentials,
  type ServerEvents,
  type ServerLimits,
  serveLoopback,
  serveSocket,
  serveTls,
} from '../../rpc/server.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Checker } from './check.ts'

export interface ExtAuthzOptions {
  readonly config: Pick<SidecarConfig, 'extAuthz' | 'extAuthzCallers'>
  readonly checker: Checker
  readonly credentials: Watch<Credentials>
  readonly distrust: Distrust
  readonly clock: Clock
  readonly log: Logger
}

export interface ExtAuthzServer extends Drainable {
  /** `host:port` with the real port, or the path of the socket. */
  readonly address: string
}

/** A check holds the head of a request, and perhaps a certificate; a body is of no use to us. */
const LIMITS: ServerLimits = { maxMessageBytes: 1_048_576, maxConnections: 1024, maxStreams: 1000 }

/**
 * Answers what an Envoy asks by its external authorization filter, where `extAuthz` says so: without TLS on this machine, else over
 * mutual TLS for the callers of `extAuthzCallers` alone. Rejects with `listen-failed` and the errors of `serveSocket`.
 */
export async function serveExtAuthz(options: ExtAuthzOptions): Promise<ExtAuthzServer | undefined> {
  const { config, log } = options
  if (config.extAuthz === undefined) return undefined
  const address = parseServerAddress(config.extAuthz)
  if (address === undefined) throw new TypeError('the configuration was not checked')
  const callers = callersOf(config.extAuthzCallers)
  const undo: (() => void)[] = []
  const services = [
    authorizationService(handlers(options, callers)),
    healthService({ check: () => ({ status: 'SERVING' }) }),
  ]
  const events = eventsTo(log)
  let server: RpcServer
  if ('path' in address) {
    // Everybody who can enter its folder may ask: nothing is given out but decisions.
    server = await serveSocket(address.path, services, LIMITS, events, { mode: 0o666 })
  } else if (callers === undefined && isOfThisMachine(address)) {
    server = await serveLoopback(address, 'extAuthz', services, LIMITS, events)
  } else {
    const credentials = serverCredentials(options.credentials, undo)
    server = await serveTls(address, credentials, services, LIMITS, options.clock, events, 'extAuthz')
  }
  log.info(
    { extAuthz: server.address, callers: callers === undefined ? null : [...callers] },
    'external authorization is served',
  )
  const release = (): void => {
    for (const stop of undo.splice(0)) stop()
  }
  return {
    address: server.address,
    close: async () => {
      release()
      await server.close(
        new OutriderError('sidecar-stopping', 'the sidecar is stopping', { source: 'dependency', retryable: true }),
      )
    },
    destroy: () => {
      release()
      server.destroy()
    },
  }
}

function callersOf(option: string | undefined): ReadonlySet<string> | undefined {
  return option === undefined ? undefined : new Set(option.split(','))
}

function handlers(
  { checker, distrust }: ExtAuthzOptions,
  callers: ReadonlySet<string> | undefined,
): AuthorizationHandlers {
  if (callers === undefined) return { check: (request) => checker.check(request) }
  return {
    check: (request, caller: Caller) => {
      const { peer } = requireIdentity(caller)
      const refused = distrust.of(peer)
      if (refused !== undefined) throw new OutriderError('peer-unauthenticated', refused.message)
      if (callers.has(peer.id)) return checker.check(request)
      throw new OutriderError('caller-not-entitled', `${peer.id} is not among extAuthzCallers`)
    },
  }
}

/** What we show as a server, and whom we believe: the credentials of the workload in the form that rpc serves with. */
function serverCredentials(credentials: Watch<Credentials>, undo: (() => void)[]): Watch<ServerCredentials> {
  const cell = new WatchCell(servedWith(credentials.current))
  undo.push(credentials.subscribe((value) => cell.set(servedWith(value))))
  return cell
}

function servedWith({ svid, bundles }: Credentials): ServerCredentials {
  return {
    chainPem: svid.chainPem,
    privateKeyPem: privateKeyPem(svid.privateKey),
    rootsPem: rootsPem(bundles),
    bundles,
    issuers: svid.chainDer.slice(1),
  }
}

function eventsTo(log: Logger): ServerEvents {
  return {
    bug: (method, error) =>
      log.error({ method, error }, 'a question of external authorization failed for a reason of our own'),
    peerRefused: (source, { code, message }) =>
      log.warn({ source, code }, `who asks for external authorization is refused: ${message}`),
    handshakeFailed: (source, error) => log.info({ source, error: describeError(error) }, 'TLS handshake failed'),
    connectionDropped: (source, maxConnections) =>
      log.warn({ source, maxConnections }, 'a connection of external authorization was closed: too many are open'),
  }
}
