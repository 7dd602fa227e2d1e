import { existsSync } from 'node:fs'
import type { Address } from './address.ts'

/** Only there when the kernel has IPv6. */
const IPV6_INTERFACES = '/proc/net/if_inet6'

export function hasIpv6(): boolean {
  return existsSync(IPV6_INTERFACES)
}

/** `::` is every address of both families; where the kernel has no IPv6, every address is `0.0.0.0`. */
export function everyAddress({ host, port }: Address): Address {
  return { host: host === '::' && !hasIpv6() ? '0.0.0.0' : host, port }
}
