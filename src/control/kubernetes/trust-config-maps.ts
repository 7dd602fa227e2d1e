import { createHash } from 'node:crypto'
import type { ApiClient } from '../../kubernetes/client.ts'
import type { ClusterObject, ResourceType } from '../../kubernetes/objects.ts'
import { reflect, type ReflectEvents, type Reflection } from '../../kubernetes/reflect.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { ControlMetrics } from '../metrics.ts'
import type { CertificateAuthority } from '../ca/certificate-authority.ts'
import {
  configMapType,
  readTrustConfigMap,
  SEQUENCE_ANNOTATION,
  TRUST_CONFIG_MAP,
  type TrustContent,
  trustConfigMap,
  trustContentOf,
} from './trust-config-map.ts'

export interface TrustConfigMapsOptions {
  readonly client: ApiClient
  /** Of this server: it has a ConfigMap too, labelled or not. */
  readonly namespace: string
  /** Those that are of the mesh, labelled or not; empty: all that are labelled. */
  readonly namespaces: readonly string[]
  readonly authority: CertificateAuthority
  /** Looks whether the CA was changed by another server. */
  readonly catchUp: () => Promise<void>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: ControlMetrics
}

export const namespaceType: ResourceType = { group: '', version: 'v1', plural: 'namespaces', namespaced: false }
/** The namespaces in which pods get a sidecar. */
const INJECTED_NAMESPACES = 'outrider.mesh/inject=enabled'
const FIELD_MANAGER = 'outrider-control'
const MAX_NAMESPACES = 10_000
/** Where a ConfigMap without its text has the digest of it. */
const DIGEST = 'digest'
/** ConfigMaps of this name may be in namespaces that are not ours as well. */
const MAX_CONFIG_MAPS = 20_000
/** Writes of all namespaces together: one begins when this has passed since the last, in milliseconds. */
const PACE_MS = 20
const MAX_IN_FLIGHT = 4
/** Of one namespace whose ConfigMap cannot be written, or is changed by somebody else again and again. */
const AGAIN = { initialMs: 1000, maxMs: 300_000, jitter: 0.3 }

/** What is in a namespace, without the text: anybody may put a megabyte there. */
interface Present {
  readonly digest: string
  readonly sequence: number
}

/** A namespace that was written to lately. */
interface Hold {
  readonly backoff: Backoff
  /** Running: it has to wait. */
  timer: Timer | undefined
  /** Code of the error that was logged. */
  error: string | undefined
}

/**
 * Keeps the roots of the trust domain in the ConfigMap `outrider-trust` of every namespace whose pods get a sidecar, and in that of
 * this server. All servers write the same; what somebody else changes or deletes is repaired, at a bounded rate. A ConfigMap stays
 * when its namespace loses the label, because pods may have mounted it.
 */
export class TrustConfigMaps {
  readonly #options: TrustConfigMapsOptions
  readonly #close: (() => void)[] = []
  /** undefined: not listed yet. */
  #namespaces: Set<string> | undefined
  readonly #present: Map<string, Present> = new Map()
  /** Lists of ConfigMaps that did not come yet. */
  #unlisted: number
  #wanted: TrustContent
  #digest: string
  /** To be written, in the order in which they came. */
  readonly #due: Set<string> = new Set()
  /** What is not as it should be, due or not. */
  readonly #wrong: Set<string> = new Set()
  readonly #holds: Map<string, Hold> = new Map()
  #inFlight = 0
  #pace: Timer | undefined
  #closed = false

  constructor(options: TrustConfigMapsOptions) {
    this.#options = options
    const { authority, client, clock, random, log, namespace, namespaces } = options
    this.#wanted = trustContentOf(authority)
    this.#digest = digestOf(this.#wanted.roots)
    const unsubscribe = authority.bundle.subscribe(() => {
      this.#wanted = trustContentOf(authority)
      this.#digest = digestOf(this.#wanted.roots)
      this.#letGo()
      this.#lookAtAll()
    })
    this.#close.push(unsubscribe)
    const surroundings = { clock, random, log }
    const scopes = namespaces.length === 0 ? [undefined] : [...new Set([namespace, ...namespaces])]
    this.#unlisted = scopes.length
    if (namespaces.length > 0) this.#namespaces = new Set(namespaces)
    else {
      const labelled: Reflection = {
        type: namespaceType,
        labelSelector: INJECTED_NAMESPACES,
        maxObjects: MAX_NAMESPACES,
        slim: slimNamespace,
      }
      const reflector = reflect(client, labelled, this.#followNamespaces(), surroundings)
      this.#close.push(() => reflector.close())
    }
    for (const scope of scopes) {
      const configMaps: Reflection = {
        type: configMapType,
        fieldSelector: `metadata.name=${TRUST_CONFIG_MAP}`,
        ...(scope !== undefined && { namespace: scope }),
        maxObjects: MAX_CONFIG_MAPS,
        slim: slimConfigMap,
      }
      const reflector = reflect(client, configMaps, this.#followConfigMaps(scope), surroundings)
      this.#close.push(() => reflector.close())
    }
  }

  close(): void {
    this.#closed = true
    for (const close of this.#close) close()
    this.#pace?.cancel()
    for (const { timer } of this.#holds.values()) timer?.cancel()
    this.#holds.clear()
    this.#due.clear()
    this.#wrong.clear()
  }

  #followNamespaces(): ReflectEvents {
    return {
      replaced: (objects) => {
        this.#namespaces = new Set(objects.filter(isLasting).map(({ metadata }) => metadata.name))
        this.#lookAtAll()
      },
      changed: (type, object) => {
        const { name } = object.metadata
        if (type === 'put' && isLasting(object)) this.#namespaces?.add(name)
        else this.#forget(name)
        this.#look(name)
      },
      progressed: () => {},
      state: () => {},
    }
  }

  #followConfigMaps(scope: string | undefined): ReflectEvents {
    let listed = false
    return {
      replaced: (objects) => {
        if (scope === undefined) this.#present.clear()
        else this.#present.delete(scope)
        for (const object of objects) this.#present.set(object.metadata.namespace ?? '', presentOf(object))
        if (!listed) this.#unlisted -= 1
        listed = true
        this.#lookAtAll()
      },
      changed: (type, object) => {
        const { namespace = '' } = object.metadata
        if (type === 'put') this.#present.set(namespace, presentOf(object))
        else this.#present.delete(namespace)
        this.#look(namespace)
      },
      progressed: () => {},
      state: () => {},
    }
  }

  #forget(namespace: string): void {
    this.#namespaces?.delete(namespace)
    this.#due.delete(namespace)
    this.#holds.get(namespace)?.timer?.cancel()
    this.#holds.delete(namespace)
  }

  /** What was right until now has not to wait for what is wanted from now on. */
  #letGo(): void {
    for (const [namespace, { timer, error }] of this.#holds) {
      if (error !== undefined) continue
      timer?.cancel()
      this.#holds.delete(namespace)
    }
  }

  #lookAtAll(): void {
    const { namespace } = this.#options
    // In an order of its own, so that several servers do not all write the same one at the same time.
    const all = [namespace, ...shuffled([...(this.#namespaces ?? [])], this.#options.random)]
    for (const name of all) this.#look(name)
  }

  /** Has it written, if that is needed: at once, or when its time has come. */
  #look(namespace: string): void {
    if (this.#closed) return
    if (this.#isWrong(namespace)) {
      this.#wrong.add(namespace)
      if (this.#holds.get(namespace)?.timer === undefined) this.#due.add(namespace)
    } else {
      this.#wrong.delete(namespace)
      this.#due.delete(namespace)
    }
    this.#options.metrics.trustConfigMapsBehind.set(this.#wrong.size)
    this.#next()
  }

  #isWrong(namespace: string): boolean {
    if (this.#namespaces === undefined || this.#unlisted > 0) return false
    if (!this.#namespaces.has(namespace) && namespace !== this.#options.namespace) return false
    const present = this.#present.get(namespace)
    return present?.digest !== this.#digest || present.sequence !== this.#wanted.sequence
  }

  /** Begins the next write, if one may begin now. */
  #next(): void {
    if (this.#closed || this.#pace !== undefined || this.#inFlight >= MAX_IN_FLIGHT) return
    const [namespace] = this.#due
    if (namespace === undefined) return
    this.#due.delete(namespace)
    this.#inFlight += 1
    void this.#write(namespace).finally(() => {
      this.#inFlight -= 1
      this.#next()
    })
    this.#pace = this.#options.clock.after(PACE_MS, () => {
      this.#pace = undefined
      this.#next()
    })
  }

  async #write(namespace: string): Promise<void> {
    const { client, catchUp, metrics, log } = this.#options
    // Of a newer bundle than ours: another server knows more, unless somebody made it up.
    if ((this.#present.get(namespace)?.sequence ?? 0) > this.#wanted.sequence) await catchUp()
    if (this.#closed || !this.#isWrong(namespace)) return
    const hold = this.#hold(namespace)
    try {
      const stored = await client.apply(configMapType, trustConfigMap(this.#wanted, namespace), {
        fieldManager: FIELD_MANAGER,
        force: true,
      })
      metrics.trustConfigMaps.with({ result: 'applied' }).inc()
      if (hold.error !== undefined) log.info({ namespace }, 'the roots could be written to the ConfigMap again')
      hold.error = undefined
      this.#present.set(namespace, presentOf(slimConfigMap(stored)))
      this.#look(namespace)
    } catch (error) {
      metrics.trustConfigMaps.with({ result: 'failed' }).inc()
      const code = error instanceof OutriderError ? error.code : 'internal'
      if (hold.error !== code && !this.#closed)
        log.error({ namespace, error }, `the roots could not be written to the ConfigMap ${TRUST_CONFIG_MAP}`)
      hold.error = code
    }
  }

  /** From now on the namespace has to wait, longer each time while it does not come to rest. */
  #hold(namespace: string): Hold {
    const { random, clock } = this.#options
    const hold = this.#holds.get(namespace) ?? {
      backoff: new Backoff(AGAIN, random),
      timer: undefined,
      error: undefined,
    }
    this.#holds.set(namespace, hold)
    hold.timer?.cancel()
    hold.timer = clock.after(hold.backoff.next(), () => {
      hold.timer = undefined
      if (this.#wrong.has(namespace)) this.#look(namespace)
      else this.#holds.delete(namespace)
    })
    return hold
  }
}

function digestOf(roots: string): string {
  return createHash('sha256').update(roots).digest('base64')
}

function isLasting({ metadata }: ClusterObject): boolean {
  return metadata.deletionTimestamp === undefined
}

function slimNamespace({ metadata: { name, deletionTimestamp } }: ClusterObject): ClusterObject {
  return { metadata: { name, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) } }
}

function slimConfigMap(object: ClusterObject): ClusterObject {
  const { roots, sequence } = readTrustConfigMap(object)
  const { name, namespace = '' } = object.metadata
  return {
    metadata: { name, namespace, annotations: { [DIGEST]: digestOf(roots), [SEQUENCE_ANNOTATION]: String(sequence) } },
  }
}

/** Of what `slimConfigMap` left. */
function presentOf({ metadata: { annotations = {} } }: ClusterObject): Present {
  return { digest: annotations[DIGEST] ?? '', sequence: Number(annotations[SEQUENCE_ANNOTATION]) }
}

function shuffled(names: string[], random: Random): string[] {
  for (let last = names.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1))
    ;[names[last], names[other]] = [names[other]!, names[last]!]
  }
  return names
}
