import { setImmediate as turn } from 'node:timers/promises'
import { OutriderError } from '../../lib/errors.ts'
import { type Kind, type ResourceName, resourceKey } from '../../policy/model.ts'
import { type Admitted, admitResources, MAX_DOCUMENT_BYTES, MAX_DOCUMENTS } from '../publish/admit.ts'
import type { Mesh } from '../publish/mesh.ts'
import type { Change } from '../store/store.ts'
import type { Wanted } from './desired.ts'

export interface Candidate extends Wanted {
  readonly name: ResourceName
}

/** Why a resource is not served. */
export interface HeldBack {
  readonly name: ResourceName
  readonly code: string
  readonly message: string
}

/** What others refer to comes first, so that the first round admits nearly everything. */
const ORDER: Readonly<Record<Kind, number>> = {
  MeshConfig: 0,
  TrustDomain: 0,
  Workload: 1,
  Service: 2,
  Revocation: 3,
  AuthorizationPolicy: 3,
  RequestAuthentication: 3,
  ExternalAuthorization: 3,
  RateLimit: 3,
  ApiKey: 3,
}

/**
 * Admits as many of the candidates as there can be: all together, then without those that are at fault, which are tried again for as long as
 * anything more is admitted, at last one by one. `deletions` happen in any case, with the first that are admitted where there are any.
 * `commit` stores one round; between rounds the event loop goes on. Gives what is held back, by resource key.
 */
export async function admitInRounds(
  candidates: readonly Candidate[],
  deletions: readonly ResourceName[],
  mesh: Mesh,
  commit: (changes: readonly Change[]) => void,
): Promise<ReadonlyMap<string, HeldBack>> {
  const rounds = new Rounds(deletions, mesh, commit)
  const held = await rounds.run(candidates.toSorted(inOrder))
  return new Map(held.map((one) => [resourceKey(one.name), one]))
}

type Refused = Candidate & { readonly why: HeldBack }

class Rounds {
  readonly #mesh: Mesh
  readonly #commit: (changes: readonly Change[]) => void
  #deletions: readonly ResourceName[]
  /** Documents that were admitted so far. */
  #admitted = 0

  constructor(deletions: readonly ResourceName[], mesh: Mesh, commit: (changes: readonly Change[]) => void) {
    this.#deletions = deletions
    this.#mesh = mesh
    this.#commit = commit
  }

  async run(candidates: readonly Candidate[]): Promise<readonly HeldBack[]> {
    let left = await this.#round(candidates)
    for (;;) {
      // They may have stood in the way of what is left.
      const deleted = this.#deletions.length > 0
      if (deleted) this.#store([])
      if (left.length === 0) return []
      const before = this.#admitted
      left = await this.#round(left)
      if (this.#admitted === before) left = await this.#oneByOne(left)
      if (this.#admitted === before) return left.map(({ why }) => why)
    }
  }

  async #round(candidates: readonly Candidate[]): Promise<readonly Refused[]> {
    const left: Refused[] = []
    for (const chunk of chunksOf(candidates)) {
      left.push(...this.#most(chunk))
      await turn()
    }
    return left
  }

  /** Two that exclude each other are at fault together; the first one by name is admitted. */
  async #oneByOne(candidates: readonly Candidate[]): Promise<readonly Refused[]> {
    const left: Refused[] = []
    for (const [index, candidate] of candidates.entries()) {
      left.push(...this.#most([candidate]))
      if (index % MAX_AT_ONCE === MAX_AT_ONCE - 1) await turn()
    }
    return left
  }

  /** Admits the group without those that are at fault, which are given. */
  #most(group: readonly Candidate[]): readonly Refused[] {
    const left: Refused[] = []
    for (let rest = group; rest.length > 0; ) {
      const result = this.#try(rest)
      if ('kind' in result) {
        this.#admitted += rest.length
        this.#store(result.changes)
        return left
      }
      const faults = new Map(result.map((fault) => [fault.at, fault] as const))
      if (faults.has(undefined) || faults.size === 0) {
        // Something that is there already would break, or there is no room: which of them it comes from has to be found.
        const [fault] = result
        const [only] = rest
        if (rest.length > 1) return [...left, ...this.#halves(rest)]
        return only === undefined || fault === undefined ? left : [...left, refused(only, fault)]
      }
      rest.forEach((candidate, index) => {
        const fault = faults.get(index)
        if (fault !== undefined) left.push(refused(candidate, fault))
      })
      rest = rest.filter((_, index) => !faults.has(index))
    }
    return left
  }

  #halves(group: readonly Candidate[]): readonly Refused[] {
    const middle = Math.ceil(group.length / 2)
    return [...this.#most(group.slice(0, middle)), ...this.#most(group.slice(middle))]
  }

  #try(group: readonly Candidate[]): Admitted | readonly Fault[] {
    const proposed = group.map(({ resource, text }, document) => ({ resource, text, document }))
    try {
      const result = admitResources(proposed, this.#mesh, this.#deletions)
      if (result.kind === 'admitted') return result
      // The last one of each document wins; the first is said.
      return result.violations.toReversed().map(({ document, field, code, message }) => ({
        at: field === '' ? undefined : document,
        code,
        message: field === '' ? message : `${field}: ${message}`,
      }))
    } catch (thrown) {
      if (!(thrown instanceof OutriderError)) throw thrown
      return [{ at: undefined, code: thrown.code, message: thrown.message }]
    }
  }

  #store(changes: readonly Change[]): void {
    const deletions = this.#deletions.map((name): Change => ({ kind: 'delete', name }))
    // Not again, whatever becomes of it: who calls starts anew when it fails.
    this.#deletions = []
    if (deletions.length + changes.length > 0) this.#commit([...deletions, ...changes])
  }
}

interface Fault {
  /** Which candidate is at fault; undefined: that is not known. */
  readonly at: number | undefined
  readonly code: string
  readonly message: string
}

const MAX_AT_ONCE = 16

function refused(candidate: Candidate, { code, message }: Fault): Refused {
  return { ...candidate, why: { name: candidate.name, code, message } }
}

function inOrder(a: Candidate, b: Candidate): number {
  const order = ORDER[a.name.kind] - ORDER[b.name.kind]
  return order !== 0 ? order : resourceKey(a.name) < resourceKey(b.name) ? -1 : 1
}

function* chunksOf(candidates: readonly Candidate[]): Generator<readonly Candidate[]> {
  let chunk: Candidate[] = []
  let bytes = 0
  for (const candidate of candidates) {
    const size = Buffer.byteLength(candidate.text)
    if (chunk.length > 0 && (chunk.length >= MAX_DOCUMENTS || bytes + size > MAX_DOCUMENT_BYTES)) {
      yield chunk
      chunk = []
      bytes = 0
    }
    chunk.push(candidate)
    bytes += size
  }
  if (chunk.length > 0) yield chunk
}
