import type { ApiClient } from '../../kubernetes/client.ts'
import { ApiError } from '../../kubernetes/failure.ts'
import type { ClusterObject, ResourceType } from '../../kubernetes/objects.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { sameTexts, secretWith, type Texts, textsOfSecret } from './secret-texts.ts'

export const CA_SECRET = 'outrider-ca'
export const secretType: ResourceType = { group: '', version: 'v1', plural: 'secrets', namespaced: true }

/** The Secret of the CA as it was read. */
export interface Kept {
  readonly secret: ClusterObject
  readonly texts: Texts
}

/** What became of a write: `stored`, or somebody else was first. */
export type Written = 'stored' | 'conflict'

/** Reads and writes the one Secret that a CA is in. What it holds is never in a message. */
export class KeptSecret {
  readonly #client: ApiClient
  readonly #namespace: string

  constructor(client: ApiClient, namespace: string) {
    this.#client = client
    this.#namespace = namespace
  }

  /** What errors call it. */
  get where(): string {
    return `Secret ${this.#namespace}/${CA_SECRET}`
  }

  /** Throws `ca-secret-missing`, or the error of the API server. */
  async read(): Promise<Kept> {
    const secret = await this.#client.get(secretType, CA_SECRET, this.#namespace)
    if (secret === undefined)
      throw new OutriderError(
        'ca-secret-missing',
        `${this.where} is missing: restore it from a backup, or make it with "outrider install" for a new CA`,
        { place: this.where },
      )
    return { secret, texts: textsOfSecret(secret) }
  }

  /**
   * Puts `texts` in the place of what was read, all or nothing. When no answer came it is asked for what is there now. Throws `ca-write-failed`,
   * which says so when it is not known what became of it.
   */
  async write({ secret }: Kept, texts: Texts): Promise<Written> {
    try {
      await this.#client.replace(secretType, secretWith(secret, texts))
      return 'stored'
    } catch (error) {
      const conflict = error instanceof ApiError && error.code === 'kubernetes-conflict'
      if (!conflict && !isUncertain(error)) throw this.#failed(error)
      if (await this.#holds(texts, error)) return 'stored'
      if (conflict) return 'conflict'
      throw this.#failed(error)
    }
  }

  /** Changes what is noted on the Secret. false: somebody else was first. Throws the error of the API server. */
  async note({ secret }: Kept, annotations: Readonly<Record<string, string>>): Promise<boolean> {
    try {
      await this.#client.replace(secretType, { ...secret, metadata: { ...secret.metadata, annotations } })
      return true
    } catch (error) {
      if (error instanceof ApiError && error.code === 'kubernetes-conflict') return false
      throw error
    }
  }

  /** Whether `texts` are there now. */
  async #holds(texts: Texts, cause: unknown): Promise<boolean> {
    try {
      return sameTexts((await this.read()).texts, texts)
    } catch {
      throw this.#failed(cause, ', and whether it was is not known yet: see "outrider ca status"')
    }
  }

  #failed(cause: unknown, more = ''): OutriderError<'ca-write-failed'> {
    return new OutriderError('ca-write-failed', `${this.where} could not be changed${more}: ${describeError(cause)}`, {
      place: this.where,
      source: 'dependency',
      retryable: cause instanceof OutriderError && cause.retryable,
      cause,
    })
  }
}

/** It may have been done before the answer was lost, or before etcd answered the API server. */
function isUncertain(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  if (error.status !== undefined) return error.status >= 500 || error.code === 'kubernetes-answer'
  return error.code === 'kubernetes-unreachable' || error.code === 'kubernetes-answer'
}
