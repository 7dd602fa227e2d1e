import { olderBundle, type TrustBundleSet } from '../identity/bundle.ts'
import { Backoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { IssuedSource } from '../mtls/source/issued.ts'
import { bundlesOf } from '../rpc/bundles.ts'
import type { ClientStream, ControlClient } from '../rpc/client.ts'
import type { Logger } from '../telemetry/log.ts'
import type { TrustBundleSet__Output } from '../wire/outrider/identity/v1/TrustBundleSet.ts'

export interface BundleWatch {
  /** Begins anew, with the SVID that we have now. */
  reopen(): void
  close(): void
}

const RETRY = { initialMs: 200, maxMs: 10_000, jitter: 0.3 }

/** Follows the bundles between renewals, over a connection that shows our present SVID. An older bundle never replaces a newer one. */
export function watchBundles(
  client: ControlClient,
  source: IssuedSource,
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: Logger },
): BundleWatch {
  const backoff = new Backoff(RETRY, random)
  let closed = false
  let open: ClientStream<unknown> | undefined
  let retry: Timer | undefined
  const connect = (): void => {
    const stream = client.watchTrustBundles()
    open = stream
    stream.onMessage((message) => {
      if (open !== stream) return
      backoff.reset()
      const next = readable(message, log)
      if (next === undefined) return
      const present = source.credentials.current.bundles
      const older = olderBundle(next, present)
      if (older !== undefined) {
        log.error({ trustDomain: older.trustDomain, sequence: older.sequence }, 'trust bundles refused: older')
      } else if (!sameBundles(next, present)) {
        log.info({ trustDomains: [...next.keys()] }, 'trust bundles changed')
        source.setBundles(next)
      }
    })
    stream.onEnd(() => {
      if (open !== stream || closed) return
      open = undefined
      retry = clock.after(backoff.next(), connect)
    })
  }
  connect()
  return {
    reopen: () => {
      const previous = open
      if (previous === undefined || closed) return
      open = undefined
      previous.cancel()
      connect()
    },
    close: () => {
      closed = true
      retry?.cancel()
      open?.cancel()
    },
  }
}

/** A bundle that cannot be read changes nothing: what is trusted now stays trusted. */
function readable(message: TrustBundleSet__Output, log: Logger): TrustBundleSet | undefined {
  try {
    return bundlesOf(message)
  } catch (error) {
    log.error({ error }, 'trust bundles refused: malformed')
    return undefined
  }
}

function sameBundles(a: TrustBundleSet, b: TrustBundleSet): boolean {
  return a.size === b.size && [...a].every(([domain, { sequence }]) => b.get(domain)?.sequence === sequence)
}
