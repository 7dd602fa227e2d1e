import type { SidecarConfig } from '../../config/sidecar.ts'
import type { Clock } from '../../lib/clock.ts'
import { parseAllowance } from '../../lib/special-address.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Lockout } from '../../ratelimit/lockout.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { sidecarMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'
import { ApiKeyVerifier } from './api-key.ts'
import type { ApiKeyUses } from './api-key-uses.ts'
import { Authenticator } from './authenticator.ts'
import { BindingCheck } from './binding.ts'
import { ClientSecrets } from './client-secrets.ts'
import { IntrospectionVerifier, MAX_INTROSPECTIONS } from './introspection.ts'
import { JwtVerifier } from './jwt.ts'
import { KeyRing } from './key-ring.ts'
import type { KeySetStates } from './key-sets.ts'
import { Providers } from './providers.ts'
import type { UsedProofs } from './used-proofs.ts'

/** What the threads of a process share to prove tokens. */
export interface TokenSources {
  readonly keySets: Watch<KeySetStates>
  /** Asks for keys early, as `KeySetKeeper.want`. */
  readonly wantKeys: (uri: string) => void
  readonly usedProofs: UsedProofs
}

/** What one thread proves users with. */
export interface Provers {
  readonly sources: TokenSources
  /** Of sources of wrong API keys. */
  readonly lockout: Lockout
  readonly apiKeyUses: ApiKeyUses
}

export interface AuthenticationOptions extends Provers {
  readonly config: SidecarConfig
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsOf<typeof sidecarMetrics>
  readonly providers: Providers
  /** Data planes of the process: what is asked at a time they divide. */
  readonly planes: number
}

/** Everything that proves who the users of one data plane's requests are. */
export function openAuthentication(options: AuthenticationOptions): { authenticator: Authenticator; close(): void } {
  const { config, clock, log, metrics, sources, providers, planes, lockout, apiKeyUses } = options
  const { keySets: states, wantKeys: want, usedProofs } = sources
  const named = (config.dpopOrigins ?? '').split(',').filter(Boolean)
  // A default port is no part of it.
  const origins = new Set(named.map((origin) => new URL(origin).origin))
  const binding = new BindingCheck({ usedProofs, origins })
  const jwt = new JwtVerifier({
    ring: new KeyRing({ states, want, clock }),
    states,
    binding,
    counted: (result) => metrics.tokens.with({ kind: 'jwt', result }).inc(),
  })
  const introspection = new IntrospectionVerifier({
    providers,
    secrets: new ClientSecrets(config.secretsDir, clock),
    binding,
    clock,
    log,
    maxConcurrent: Math.max(1, Math.floor(MAX_INTROSPECTIONS / planes)),
    counted: (result) => metrics.tokens.with({ kind: 'introspection', result }).inc(),
  })
  const apiKeys = new ApiKeyVerifier({ lockout, uses: apiKeyUses, metrics, log })
  return { authenticator: new Authenticator([apiKeys, jwt, introspection]), close: () => jwt.close() }
}

export function openProviders(config: SidecarConfig, clock: Clock): Providers {
  const allowance = parseAllowance(config.tokenProviderAllow ?? '')
  if (typeof allowance === 'string') throw new TypeError(`the configuration was not checked: ${allowance}`)
  return new Providers({ caFile: config.tokenProviderCaFile, allowance, clock })
}
