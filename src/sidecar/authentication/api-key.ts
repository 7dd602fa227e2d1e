import { parseApiKey } from '../../identity/api-key.ts'
import { networkOf } from '../../lib/source-address.ts'
import { unreachable } from '../../lib/unreachable.ts'
import { verifyApiKey } from '../../policy/api-keys.ts'
import type { CompiledAuthentication } from '../../policy/authentication.ts'
import type { Lockout } from '../../ratelimit/lockout.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { sidecarMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'
import { type RefusalCode, refuse } from '../refusal.ts'
import type { ApiKeyUses } from './api-key-uses.ts'
import type { Credential, CredentialContext, CredentialVerifier, Outcome } from './credential.ts'

export interface ApiKeyVerifierParts {
  readonly lockout: Lockout
  readonly uses: ApiKeyUses
  readonly metrics: Pick<MetricsOf<typeof sidecarMetrics>, 'apiKeys'>
  readonly log: Logger
}

/** RFC 9110, 11.6.1: a 401 says how to do better. No scheme is registered for API keys. */
const CHALLENGE = ['www-authenticate', 'ApiKey'] as const

/** Proves API keys, and locks out who keeps trying wrong ones. Synchronous. */
export class ApiKeyVerifier implements CredentialVerifier {
  readonly #parts: ApiKeyVerifierParts

  constructor(parts: ApiKeyVerifierParts) {
    this.#parts = parts
  }

  /** Where tokens are accepted as well, a key is known by its first letters; elsewhere whatever there is has to be one. */
  takes({ text, place }: Credential, _authentication: CompiledAuthentication): boolean {
    if (place.apiKeys === undefined) return false
    return text.startsWith('ork_') || (place.issuers.size === 0 && place.introspection === undefined)
  }

  verify({ text, place }: Credential, context: CredentialContext): Outcome {
    const { lockout, uses, metrics, log } = this.#parts
    const parts = parseApiKey(text)
    // Nobody can try out secrets with texts that are no keys: these are not counted as failures.
    if (parts === undefined) return this.#refuse('apikey-malformed', CHALLENGE)
    const source = sourceOf(context)
    const lockedForS = lockout.lockedForS(source)
    if (lockedForS > 0 && !lockout.hasProved(source, parts.id)) return this.#lockedOut(lockedForS, source)
    const verdict = verifyApiKey(context.authentication.apiKeys, parts, context.nowMs)
    switch (verdict.kind) {
      case 'good':
        metrics.apiKeys.with({ result: 'good' }).inc()
        lockout.proved(source, parts.id)
        uses.record(parts.id, context.nowMs)
        return { kind: 'proven', forward: place.apiKeys?.forward === true, headers: [], apiKey: verdict.identity }
      case 'expired':
        return this.#refuse('apikey-expired', CHALLENGE, `ID ${verdict.id}`)
      case 'unknown':
        // Of what was proved here only the ID is right: that is no way around the lock.
        if (lockedForS > 0) return this.#lockedOut(lockedForS, source)
        if (lockout.failed(source)) log.warn({ source, lastId: parts.id }, 'too many wrong API keys: locked out')
        return this.#refuse('apikey-unknown', CHALLENGE, `ID ${parts.id} from ${source}`)
      default:
        return unreachable(verdict)
    }
  }

  #lockedOut(forS: number, source: string): Outcome {
    return this.#refuse('apikey-locked-out', ['retry-after', String(forS)], `from ${source}`)
  }

  #refuse(code: Extract<RefusalCode, `apikey-${string}`>, headers: readonly string[], detail?: string): Outcome {
    this.#parts.metrics.apiKeys.with({ result: code }).inc()
    return refuse(code, { headers, ...(detail === undefined ? {} : { detail }) })
  }
}

/** Whom failures are counted for: the verified peer, or the network that the connection comes from. */
function sourceOf({ peer, remote }: CredentialContext): string {
  return peer?.id ?? networkOf(remote.replace(/:\d+$/, ''))
}
