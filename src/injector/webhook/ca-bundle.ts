import { toPem } from '../../identity/x509.ts'
import { trustDomainOf } from '../../identity/spiffe-id.ts'
import { ApiClient } from '../../kubernetes/client.ts'
import { podConnection } from '../../kubernetes/connection.ts'
import type { ResourceType } from '../../kubernetes/objects.ts'
import type { Address } from '../../lib/address.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { injectorMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'
import { fieldsOf, itemsOf } from '../pod.ts'
import type { PatchOperation } from '../json-patch.ts'

export interface CaBundleOptions {
  /** Name of both configurations. */
  readonly name: string
  readonly failurePolicy: 'fail' | 'ignore'
  readonly api: Address
  readonly caFile: string
  readonly tokenFile: string
  readonly credentials: Watch<Credentials>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: MetricsOf<typeof injectorMetrics>
}

const group = { group: 'admissionregistration.k8s.io', version: 'v1', namespaced: false } as const
/** Of the one that injects the policy is ours; of the one that validates what its manifest says. */
export const injecting: ResourceType = { ...group, plural: 'mutatingwebhookconfigurations' }
export const validating: ResourceType = { ...group, plural: 'validatingwebhookconfigurations' }
/** Whoever applies the manifests again empties the bundles. */
const LOOK_AGAIN_MS = 30_000
const RETRY = { initialMs: 500, maxMs: 30_000, jitter: 0.3 }
const policies = { fail: 'Fail', ignore: 'Ignore' } as const

/**
 * Keeps the `caBundle` of the webhook configurations equal to the roots of our trust domain, prepared ones too: the API server has to
 * believe the next root before our certificate comes from it.
 */
export class CaBundle {
  readonly #options: CaBundleOptions
  readonly #client: ApiClient
  readonly #backoff: Backoff
  readonly #unsubscribe: () => void
  #timer: Timer | undefined
  #looking = false
  #again = false
  #closed = false
  #fault: string | undefined = 'the webhook configurations were not looked at yet'

  constructor(options: CaBundleOptions) {
    const { api, caFile, tokenFile, clock } = options
    this.#options = options
    this.#client = new ApiClient(podConnection(api, caFile, tokenFile), clock)
    this.#backoff = new Backoff(RETRY, options.random)
    this.#unsubscribe = options.credentials.subscribe(() => void this.#look())
    void this.#look()
  }

  /** Why the API server may not believe us; undefined while it does. */
  get fault(): string | undefined {
    return this.#fault
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#unsubscribe()
    this.#client.close()
  }

  async #look(): Promise<void> {
    if (this.#looking) {
      this.#again = true
      return
    }
    this.#looking = true
    this.#timer?.cancel()
    const { clock, metrics, log } = this.#options
    let nextMs: number
    try {
      let changed = false
      for (const type of [injecting, validating]) changed = (await this.#keep(type)) || changed
      this.#backoff.reset()
      this.#fault = undefined
      metrics.caBundlePatches.with({ result: changed ? 'changed' : 'unchanged' }).inc()
      if (changed) log.info({ configuration: this.#options.name }, 'the webhook configurations have our roots')
      nextMs = LOOK_AGAIN_MS
    } catch (error) {
      if (this.#closed) return
      this.#fault = describeError(error)
      metrics.caBundlePatches.with({ result: 'failed' }).inc()
      nextMs = this.#backoff.next()
      log.error(
        { error: this.#fault, retryInMs: Math.round(nextMs) },
        'the webhook configurations could not be changed',
      )
    }
    this.#looking = false
    if (this.#closed) return
    this.#timer = clock.after(this.#again ? 0 : nextMs, () => void this.#look())
    this.#again = false
  }

  /** Whether there was something to change. */
  async #keep(type: ResourceType): Promise<boolean> {
    const { name } = this.#options
    const configuration = await this.#client.get(type, name)
    if (configuration === undefined)
      throw new OutriderError('webhook-configuration', `there is no ${type.plural}/${name}`, {
        source: 'dependency',
        retryable: true,
      })
    const operations = this.#changes(type, configuration)
    if (operations.length === 0) return false
    // Indices count only in what was read.
    const { resourceVersion } = configuration.metadata
    const unchanged: PatchOperation = { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion }
    await this.#client.jsonPatch(type, name, undefined, [unchanged, ...operations])
    return true
  }

  #changes(type: ResourceType, configuration: Readonly<Record<string, unknown>>): PatchOperation[] {
    const { failurePolicy, credentials } = this.#options
    const { svid, bundles } = credentials.current
    const authorities = bundles.get(trustDomainOf(svid.id))?.authorities ?? []
    const bundle = Buffer.from(toPem(authorities.map(({ der }) => der))).toString('base64')
    return itemsOf(configuration['webhooks']).flatMap((webhook, index): PatchOperation[] => {
      const { clientConfig, failurePolicy: present } = fieldsOf(webhook)
      const wanted = type === injecting ? policies[failurePolicy] : present
      return [
        ...(fieldsOf(clientConfig)['caBundle'] === bundle
          ? []
          : [{ op: 'add' as const, path: `/webhooks/${index}/clientConfig/caBundle`, value: bundle }]),
        ...(present === wanted
          ? []
          : [{ op: 'add' as const, path: `/webhooks/${index}/failurePolicy`, value: wanted }]),
      ]
    })
  }
}
