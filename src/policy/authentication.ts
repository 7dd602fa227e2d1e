import type { ApiKey, RequestAuthentication } from './model.ts'

/** The tokens and API keys that a workload accepts, of all that govern it. */
export interface CompiledAuthentication {
  /** In the order of their names. */
  readonly accepted: readonly RequestAuthentication[]
  readonly apiKeys: readonly ApiKey[]
}

export const noAuthentication: CompiledAuthentication = { accepted: [], apiKeys: [] }

export function compileAuthentication(
  accepted: readonly RequestAuthentication[],
  apiKeys: readonly ApiKey[],
): CompiledAuthentication {
  return { accepted, apiKeys }
}
