import { X509Certificate } from 'node:crypto'
import type { InjectorConfig } from '../config/injector.ts'
import { establishIdentity, type Identity } from '../enrolment/identity.ts'
import { formatAddress } from '../lib/address.ts'
import type { Clock } from '../lib/clock.ts'
import { drain } from '../lib/drain.ts'
import { OutriderError } from '../lib/errors.ts'
import { listen, stopListening } from '../lib/listen.ts'
import type { Random } from '../lib/random.ts'
import { createAdminServer } from '../telemetry/admin-server.ts'
import { type HealthServer, serveHealth } from '../telemetry/health-server.ts'
import type { RootLogger } from '../telemetry/log.ts'
import { injectorMetrics } from '../telemetry/names.ts'
import { processPages } from '../telemetry/process-pages.ts'
import { createMetrics } from '../telemetry/registry.ts'
import { settingsOf } from './settings-of.ts'
import { CaBundle } from './webhook/ca-bundle.ts'
import { decideInjection, decideValidity } from './webhook/decide.ts'
import { serveWebhooks, type WebhookServer } from './webhook/server.ts'

export interface InjectorSurroundings {
  readonly config: InjectorConfig
  readonly clock: Clock
  readonly random: Random
  readonly log: RootLogger
  readonly programVersion: string
  /** Ends the wait for an identity. */
  readonly signal: AbortSignal
}

export interface Injector {
  /** `host:port` of the webhooks. */
  readonly address: string
  /** `host:port` of the admin endpoint, where there is one. */
  readonly admin: string | undefined
  /** `host:port` where a kubelet asks, when it does. */
  readonly health: string | undefined
  /** Finishes the reviews in flight, for `drainTimeoutMs` at most. */
  drain(): Promise<boolean>
}

/**
 * The injector: first who it is, then the port. It has its certificate as every workload has it, and nothing of its own to keep.
 * Rejects with the first failure, and leaves nothing open.
 */
export async function startInjector(surroundings: InjectorSurroundings): Promise<Injector> {
  const { config, clock, random, log, programVersion, signal } = surroundings
  const registry = createMetrics(injectorMetrics, clock)
  const { metrics } = registry
  let starting: string | undefined = 'no identity yet'
  let identity: Identity | undefined
  let caBundle: CaBundle | undefined
  let webhooks: WebhookServer | undefined
  let health: HealthServer | undefined
  const notReady = (): string | undefined => starting ?? caBundle?.fault
  const adminServer = createAdminServer(processPages({ log, registry, notReady }), log)
  const release = async (): Promise<void> => {
    webhooks?.destroy()
    caBundle?.close()
    identity?.close()
    health?.close()
    adminServer.closeAllConnections()
    await stopListening(adminServer)
    registry.destroy()
  }
  try {
    const admin = config.admin === undefined ? undefined : await listen(adminServer, config.admin, 'admin')
    if (config.health !== undefined) health = await serveHealth({ address: config.health, notReady })
    identity = await establishIdentity({ config, clock, random, log, metrics, signal })
    const { credentials } = identity.source
    const { svid } = credentials.current
    checkName(svid.chainDer[0]!, config.serviceName, svid.id)
    webhooks = await serveWebhooks({
      address: config.listen,
      credentials,
      decide: {
        inject: decideInjection(settingsOf(config, programVersion)),
        validate: decideValidity(config.meshNamespace),
      },
      maxReviewBytes: config.maxReviewBytes,
      maxHeldBytes: config.maxHeldBytes,
      reviewTimeoutMs: config.reviewTimeoutMs,
      clock,
      log,
      metrics,
    })
    if (config.webhookConfiguration !== undefined) {
      caBundle = new CaBundle({
        name: config.webhookConfiguration,
        failurePolicy: config.failurePolicy,
        api: config.kubernetesApi,
        caFile: config.kubernetesCaFile,
        tokenFile: config.kubernetesApiTokenFile,
        credentials,
        clock,
        random,
        log,
        metrics,
      })
    }
    starting = undefined
    const served = webhooks
    log.info({ id: svid.id, address: served.address }, 'injector ready')
    return {
      address: served.address,
      admin: admin && formatAddress(admin),
      health: health && formatAddress(health.address),
      async drain() {
        starting = 'draining'
        const inTime = await drain([served], config.drainTimeoutMs, clock)
        await release()
        return inTime
      },
    }
  } catch (error) {
    await release()
    throw error
  }
}

/** The API server verifies a DNS name, which only our Workload can give to the certificate. */
function checkName(leaf: Uint8Array, serviceName: string, id: string): void {
  const certificate = new X509Certificate(Buffer.from(leaf))
  if (certificate.checkHost(serviceName, { subject: 'never' }) !== undefined) return
  throw new OutriderError(
    'injector-name-missing',
    `the certificate of ${id} is not for ${serviceName}, which is what the API server asks for: its Workload needs spec.dnsNames: [${serviceName}]`,
    { place: 'serviceName' },
  )
}
