import { isIPv6 } from 'node:net'
import { OutriderError } from '../../lib/errors.ts'
import { normaliseAuthority, parseHost } from '../host.ts'

/** A host name, whole or by its end. */
export type HostPattern =
  | { readonly kind: 'exact'; readonly host: string }
  /** Begins with a dot: the name itself is not below itself. */
  | { readonly kind: 'suffix'; readonly suffix: string }

/**
 * Reads a host name in lower case without port, an IP address (IPv6 with brackets or without), or `*.` and a name for everything below it, at any depth. Throws
 * an `OutriderError` with `host-pattern-star` or `host-malformed`.
 */
export function parseHostPattern(text: string): HostPattern {
  if (!text.includes('*')) return { kind: 'exact', host: exactHost(text) }
  if (!text.startsWith('*.') || text.includes('*', 1))
    throw new OutriderError(
      'host-pattern-star',
      `a star stands for whole labels at the beginning, as in *.example.org: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return { kind: 'suffix', suffix: `.${parseHost(text.slice(2))}` }
}

/** In the form that requests have it: see `normaliseAuthority`. */
function exactHost(text: string): string {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  return isIPv6(bare) && !bare.includes('%') ? normaliseAuthority(`[${bare}]`).host : parseHost(text)
}

/** `host` is as `normaliseAuthority` returns it. */
export function matchesHost(pattern: HostPattern, host: string): boolean {
  return pattern.kind === 'exact'
    ? host === pattern.host
    : host.length > pattern.suffix.length && host.endsWith(pattern.suffix)
}
