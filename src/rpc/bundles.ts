import { bundleParts, parseBundle, type TrustBundleSet } from '../identity/bundle.ts'
import type {
  TrustBundleSet as WireBundleSet,
  TrustBundleSet__Output,
} from '../wire/outrider/identity/v1/TrustBundleSet.ts'

/** Sent with every SVID, and to every watcher: keys are encoded once for all of them. */
const encoded = new WeakMap<TrustBundleSet, WireBundleSet>()

export function wireBundles(set: TrustBundleSet): WireBundleSet {
  const known = encoded.get(set)
  if (known !== undefined) return known
  const made = encode(set)
  encoded.set(set, made)
  return made
}

function encode(set: TrustBundleSet): WireBundleSet {
  return {
    bundles: [...set.values()].map((bundle) => {
      const { trustDomain, authorities, tainted, jwtAuthorities, sequence } = bundleParts(bundle)
      return {
        trustDomain,
        x509Authorities: [...authorities],
        taintedAuthorities: tainted.map((fingerprint) => Buffer.from(fingerprint, 'hex')),
        jwtAuthorities: [...jwtAuthorities],
        sequence,
      }
    }),
  }
}

/** Throws `OutriderError<BundleErrorCode>`. */
export function bundlesOf(message: TrustBundleSet__Output | null): TrustBundleSet {
  const bundles = (message?.bundles ?? []).map((bundle) => {
    const { trustDomain, x509Authorities, taintedAuthorities, jwtAuthorities, sequence } = bundle
    return parseBundle({
      trustDomain,
      authorities: x509Authorities,
      tainted: taintedAuthorities.map((digest) => Buffer.from(digest).toString('hex')),
      jwtAuthorities,
      sequence,
    })
  })
  return new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]))
}
