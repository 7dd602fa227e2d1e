import type { ClusterObject } from '../../kubernetes/objects.ts'
import { apiVersion, type Kind, type ResourceName, resourceKey } from '../../policy/model.ts'
import { beyondNamespace } from '../../policy/tenancy.ts'
import { validateResource } from '../../policy/validate.ts'
import type { HeldBack } from './admit-in-rounds.ts'
import type { Desired } from './desired.ts'
import { numberAt } from './fields.ts'

/** A custom resource of ours as the cluster has it, without its spec. */
export interface WrittenObject {
  readonly name: ResourceName
  readonly uid: string
  readonly generation: number
  /** The generation that was last admitted or held back. */
  readonly judged: number
  readonly resourceVersion: string
  readonly status: unknown
}

/** The custom resources of the operator: what they say goes to `Desired`, and what is known of them stays here. */
export class WrittenObjects {
  readonly #desired: Desired
  readonly #meshNamespace: string
  readonly #objects = new Map<string, WrittenObject>()
  /** Those that cannot be read, with the reason. */
  readonly #unreadable = new Map<string, HeldBack>()

  /** `meshNamespace`: of the control servers, where resources may concern the whole mesh. */
  constructor(desired: Desired, meshNamespace: string) {
    this.#desired = desired
    this.#meshNamespace = meshNamespace
  }

  /** True when it says something else than before; false when only what was written back to it is different. */
  put(kind: Kind, object: ClusterObject): boolean {
    const { name: ofObject, namespace = '', uid = '', resourceVersion = '' } = object.metadata
    const name: ResourceName = { kind, namespace, name: ofObject }
    const key = resourceKey(name)
    const generation = numberAt({ ...object.metadata }, 'generation') ?? 0
    const before = this.#objects.get(key)
    const same = generation > 0 && before?.uid === uid && before.generation === generation
    const judged = same ? before.judged : 0
    this.#objects.set(key, { name, uid, generation, judged, resourceVersion, status: object['status'] })
    if (same) return false
    const document = { apiVersion, kind, metadata: { namespace, name: ofObject }, spec: object['spec'] }
    const result = validateResource(document)
    const beyond = result.ok ? beyondNamespace(result.resource, this.#meshNamespace) : undefined
    if (result.ok && beyond === undefined) {
      this.#unreadable.delete(key)
      this.#desired.write(name, { resource: result.resource, text: JSON.stringify(document) })
      return true
    }
    const [first, ...others] = result.ok ? [beyond] : result.violations
    const more = others.length > 0 ? `, and ${others.length} more` : ''
    this.#unreadable.set(key, {
      name,
      code: first?.code ?? 'resource-invalid',
      message: `${first?.field ?? ''}: ${first?.message ?? ''}${more}`,
    })
    this.#desired.write(name, 'invalid')
    return true
  }

  /** As a call of our own has answered: of the same form, and perhaps later than what the watch has told. */
  seen(kind: Kind, object: ClusterObject): void {
    const { name, namespace = '', uid, generation, resourceVersion = '' } = object.metadata
    const key = resourceKey({ kind, namespace, name })
    const known = this.#objects.get(key)
    if (known === undefined || known.uid !== uid || known.generation !== generation) return
    if (Number(resourceVersion) <= Number(known.resourceVersion)) return
    this.#objects.set(key, { ...known, resourceVersion, status: object['status'] })
  }

  /** This form was admitted or held back. */
  judge(name: ResourceName, generation: number): void {
    const key = resourceKey(name)
    const known = this.#objects.get(key)
    if (known !== undefined) this.#objects.set(key, { ...known, judged: generation })
  }

  delete(name: ResourceName): true {
    const key = resourceKey(name)
    this.#objects.delete(key)
    this.#unreadable.delete(key)
    this.#desired.write(name, undefined)
    return true
  }

  get(name: ResourceName): WrittenObject | undefined {
    return this.#objects.get(resourceKey(name))
  }

  all(): Iterable<WrittenObject> {
    return this.#objects.values()
  }

  unreadable(name: ResourceName): HeldBack | undefined {
    return this.#unreadable.get(resourceKey(name))
  }
}

/** What is kept of one. */
export function slimWritten(object: ClusterObject): ClusterObject {
  const { name, namespace, uid, generation, resourceVersion } = object.metadata
  return {
    metadata: {
      name,
      ...(namespace && { namespace }),
      ...(uid && { uid }),
      ...(generation && { generation }),
      ...(resourceVersion && { resourceVersion }),
    },
    spec: object['spec'],
    status: object['status'],
  }
}
