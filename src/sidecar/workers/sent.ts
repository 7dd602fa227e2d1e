import { hash } from 'node:crypto'
import { bundleParts, parseBundle } from '../../identity/bundle.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { KeyDigest } from '../../ratelimit/table.ts'
import type { SentCredentials } from './messages.ts'

/** Structured clone copies neither the classes of Node nor our parsed certificates: bundles travel as their bytes. */
export function sendCredentials({ svid, bundles }: Credentials): SentCredentials {
  const { chainDer, privateKey, ...rest } = svid
  return {
    svid: rest,
    chainDer,
    privateKey,
    bundles: [...bundles.values()].map(bundleParts),
  }
}

/** The main thread has verified all of it: here it is only taken apart again. */
export function receiveCredentials({ svid, chainDer, privateKey, bundles }: SentCredentials): Credentials {
  const parsed = bundles.map(parseBundle)
  return Object.freeze({
    svid: Object.freeze({ ...svid, chainDer: Object.freeze(chainDer.map((der) => Buffer.from(der))), privateKey }),
    bundles: new Map(parsed.map((bundle) => [bundle.trustDomain, bundle])),
  })
}

/** Digests of callers, the same in each thread that has `secret`. */
export function digestWith(secret: string): (key: string) => KeyDigest {
  return (key) => {
    const digest = hash('sha256', secret + key, 'hex')
    // All zero is a free slot of the table: one bit is given up for that.
    return { high: Number.parseInt(digest.slice(0, 8), 16) | 1, low: Number.parseInt(digest.slice(8, 16), 16) | 0 }
  }
}
