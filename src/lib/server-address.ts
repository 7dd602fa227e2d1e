import { type Address, isLoopback, parseAddress } from './address.ts'

/** Where a server is: a TCP address, or the absolute path of a Unix socket. */
export type ServerAddress = Address | { readonly path: string }

/** `host:port`, or `unix:` and an absolute path; else `undefined`. Port 0 is read: whether it may be used is the caller's question. */
export function parseServerAddress(text: string): ServerAddress | undefined {
  // 100 bytes: what `sun_path` holds, less what is needed to make a socket there.
  const [, path] = /^unix:(\/[^\0]{1,99})$/.exec(text) ?? []
  return path === undefined ? parseAddress(text) : { path }
}

/** Whether nobody but this machine can be behind it. */
export function isOfThisMachine(address: ServerAddress): boolean {
  return 'path' in address || isLoopback(address.host)
}
