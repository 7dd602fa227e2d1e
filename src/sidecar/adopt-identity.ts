import type { SidecarConfig } from '../config/sidecar.ts'
import { type TrustBundleSet } from '../identity/bundle.ts'
import { controlIdOf, parseTrustDomain, trustDomainOf } from '../identity/spiffe-id.ts'
import type { Svid } from '../identity/svid.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { WatchCell } from '../lib/watch.ts'
import { type Credentials, onNewSvid } from '../mtls/credentials.ts'
import { FilesSource } from '../mtls/source/files.ts'
import { LifetimeAlarm } from '../mtls/source/lifetime-alarm.ts'
import type { CredentialsSource, SourceEvents } from '../mtls/source/source.ts'
import { WorkloadApiSource } from '../mtls/source/workload-api.ts'
import { connectControl, connectWorkloadApi, type WorkloadClient } from '../rpc/client.ts'
import { parseEndpointSocket } from '../rpc/endpoint-socket.ts'
import { alarming, type Identity, type IdentityOptions, type RequestJwtSvid } from '../enrolment/identity.ts'

interface AdoptOptions extends IdentityOptions {
  readonly config: SidecarConfig
}

/**
 * Who we are by somebody else's word: a Workload API or files, in place of the control server. That one gives us policy all the
 * same, over mutual TLS with this identity: each verifies the other with its own bundles, so that the control server has
 * to know our trust domain, and our bundles have to have that of the control server.
 */
export async function adoptIdentity(options: AdoptOptions): Promise<Identity> {
  const { config, clock, log, metrics } = options
  const { source, jwtSvid, close } = await openSource(options)
  const { current } = source.credentials
  const bundles = new WatchCell<TrustBundleSet>(current.bundles)
  const svid = new WatchCell<Svid | undefined>(current.svid)
  const trustDomain =
    config.controlTrustDomain === undefined
      ? trustDomainOf(current.svid.id)
      : parseTrustDomain(config.controlTrustDomain)
  const client = connectControl({
    address: config.controlAddress,
    bundles,
    svid,
    serverId: controlIdOf(trustDomain),
    clock,
  })
  metrics.svidExpiry.set(current.svid.notAfterMs / 1000)
  // Others renew it: that nobody does is theirs to mend, and ours to say.
  const alarm = new LifetimeAlarm(clock, alarming(options))
  alarm.watch(current.svid)
  const unsubscribeAlarm = onNewSvid(source.credentials, () => {
    const next = source.credentials.current.svid
    alarm.watch(next)
    metrics.svidRenewals.with({ result: 'renewed' }).inc()
    log.info({ serial: next.serial, notAfter: new Date(next.notAfterMs).toISOString() }, 'SVID renewed')
  })
  const unsubscribe = source.credentials.subscribe((credentials) => {
    metrics.svidExpiry.set(credentials.svid.notAfterMs / 1000)
    bundles.set(credentials.bundles)
    svid.set(credentials.svid)
  })
  return {
    source,
    kept: undefined,
    client,
    jwtSvid,
    close: () => {
      unsubscribe()
      unsubscribeAlarm()
      alarm.close()
      close()
      client.close()
    },
  }
}

interface Opened {
  readonly source: CredentialsSource
  readonly jwtSvid: RequestJwtSvid
  readonly close: () => void
}

async function openSource(options: AdoptOptions): Promise<Opened> {
  const { config } = options
  if (config.identitySource === 'workload-api') return openWorkloadApi(options, config.spiffeEndpointSocket ?? '')
  const source = openFiles(options)
  return {
    source,
    jwtSvid: () =>
      Promise.reject(
        new OutriderError('jwt-signer-missing', 'an identity from files has no JWT-SVIDs: nobody here can sign them', {
          source: 'dependency',
        }),
      ),
    close: () => source.close(),
  }
}

function openFiles(options: AdoptOptions): FilesSource {
  const { config, clock, log } = options
  return FilesSource.open({
    files: {
      certificate: config.identityCertificate ?? '',
      key: config.identityKey ?? '',
      bundle: config.identityBundle ?? '',
    },
    clock,
    onUnwatched: (folder, error) => log.warn({ folder, error }, 'a folder is not watched: changes are seen later'),
    ...telling(options),
  })
}

async function openWorkloadApi(options: IdentityOptions, endpoint: string): Promise<Opened> {
  const { clock, random, log, signal } = options
  const client = connectWorkloadApi(parseEndpointSocket(endpoint))
  // Nothing else keeps the process alive while it waits for its first identity.
  const alive = setInterval(() => {}, 0x7fff_ffff)
  try {
    const source = await WorkloadApiSource.open(
      {
        fetchX509Svid: () => client.fetchX509Svid(),
        fetchJwtBundles: () => client.fetchJwtBundles(),
        clock,
        random,
        onLost: (call, error, retryInMs) =>
          log.warn(
            { call, endpoint, reason: error === undefined ? 'ended' : describeError(error), retryInMs },
            'a stream of the Workload API is lost',
          ),
        onBundleRefused: (trustDomain, error) => log.error({ trustDomain, error }, 'a trust bundle is left out'),
        ...telling(options),
      },
      signal,
    )
    return {
      source,
      jwtSvid: (audience) => firstJwtSvid(client, source.credentials.current, audience),
      close: () => {
        source.close()
        client.close()
      },
    }
  } catch (error) {
    client.close()
    throw error
  } finally {
    clearInterval(alive)
  }
}

async function firstJwtSvid(
  client: WorkloadClient,
  { svid: { id } }: Credentials,
  audience: readonly string[],
): Promise<string> {
  const { svids } = await client.fetchJwtSvid({ audience: [...audience], spiffeId: id })
  const found = svids.find(({ spiffeId }) => spiffeId === id)
  if (found !== undefined) return found.svid
  throw new OutriderError('workload-api-incomplete', `the Workload API sent no JWT-SVID for ${id}`, {
    source: 'dependency',
  })
}

function telling({ log, metrics }: IdentityOptions): SourceEvents {
  return {
    onChanged: ({ bundles }) => log.debug({ trustDomains: [...bundles.keys()] }, 'SVID or trust bundles changed'),
    onRefused: (error) => {
      metrics.svidRenewals.with({ result: 'failed' }).inc()
      log.error({ error, reason: describeError(error) }, 'a new identity is refused; the present one stays')
    },
  }
}
