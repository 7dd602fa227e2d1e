import type { ApiClient } from '../../kubernetes/client.ts'
import type { TrustDomain } from '../../identity/spiffe-id.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { pause } from '../../lib/pause.ts'
import type { Random } from '../../lib/random.ts'
import type { Logger } from '../../telemetry/log.ts'
import { CertificateAuthority } from '../ca/certificate-authority.ts'
import type { HandedIn } from '../ca/handed-in.ts'
import { TextStorage } from '../ca/text-storage.ts'
import type { KeptSecret } from './kept-secret.ts'
import { type Texts, textsOfFolder } from './secret-texts.ts'
import { configMapType, readTrustConfigMap, TRUST_CONFIG_MAP } from './trust-config-map.ts'

export interface StartOptions {
  readonly client: ApiClient
  readonly namespace: string
  readonly trustDomain: TrustDomain
  readonly given: HandedIn | undefined
  readonly meshKnown: boolean
  readonly mounted: string | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly kept: KeptSecret
}

/** A start waits so long for an API server that does not answer: the kubelet waits a minute for the start. */
const MAX_WAIT_MS = 45_000
const RETRY = { initialMs: 500, maxMs: 5_000, jitter: 0.3 }
/** Of two servers that start at once one loses, and finds the CA of the other. */
const MAX_RACES = 8

/**
 * The CA that a server starts with: what is in the Secret; where that is empty and there was never a CA, a new one, which is in the Secret before
 * it counts; what the kubelet has mounted, while the API server does not answer. Throws as `CaSecret.open`.
 */
export async function firstTexts(options: StartOptions): Promise<Texts> {
  const { clock, random, log, mounted } = options
  const backoff = new Backoff(RETRY, random)
  const end = clock.monotonic() + MAX_WAIT_MS
  for (;;) {
    try {
      return await fromSecret(options)
    } catch (error) {
      if (!(error instanceof OutriderError && error.retryable)) throw error
      const texts = mounted === undefined ? undefined : fromMounted(mounted, log)
      if (texts !== undefined) {
        log.warn({ error, mounted }, 'the API server does not answer: the CA is taken from the mounted Secret')
        return texts
      }
      if (clock.monotonic() >= end) throw error
      log.warn({ error }, 'the CA cannot be read yet: the start waits for the API server')
      await pause(backoff.next(), clock, new AbortController().signal)
    }
  }
}

async function fromSecret(options: StartOptions): Promise<Texts> {
  const { client, namespace, trustDomain, clock, given, kept } = options
  for (let race = 0; race < MAX_RACES; race += 1) {
    // In this order: who publishes roots has stored them before.
    const known = options.meshKnown || (await hasRoots(client, namespace))
    const base = await kept.read()
    if (base.texts.size > 0) return base.texts
    if (known)
      throw new OutriderError(
        'ca-secret-empty',
        `${kept.where} is empty, and there is a mesh already: restore it from a backup. Only if all identities are to be made anew: delete the ConfigMap ${namespace}/${TRUST_CONFIG_MAP}, and the data of this server`,
        { place: kept.where },
      )
    const made = new TextStorage(kept.where)
    CertificateAuthority.openIn(made, trustDomain, clock, given)
    if ((await kept.write(base, made.texts)) === 'stored') return made.texts
  }
  throw new OutriderError('ca-write-failed', `${kept.where} was changed ${MAX_RACES} times meanwhile`, {
    source: 'dependency',
    retryable: true,
  })
}

/** Whether the roots of a mesh are published in our namespace. */
async function hasRoots(client: ApiClient, namespace: string): Promise<boolean> {
  // A list of one, because that is what we may do.
  const selection = { namespace, fieldSelector: `metadata.name=${TRUST_CONFIG_MAP}`, maxObjects: 1 }
  return (await client.list(configMapType, selection)).items.some((object) => readTrustConfigMap(object).roots !== '')
}

/** undefined: there is nothing, or it cannot be read. */
function fromMounted(folder: string, log: Logger): Texts | undefined {
  try {
    const texts = textsOfFolder(folder)
    return texts.size === 0 ? undefined : texts
  } catch (error) {
    log.warn({ error: describeError(error) }, 'the mounted Secret of the CA cannot be read')
    return undefined
  }
}
