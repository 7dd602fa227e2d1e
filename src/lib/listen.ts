import { createServer, type ListenOptions, type Server } from 'node:net'
import { type Address, formatAddress } from './address.ts'
import { OutriderError } from './errors.ts'

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EACCES: 'this user may not listen there',
  EADDRNOTAVAIL: 'this machine does not have that address',
}

/**
 * Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn, 4096 by default. Node's 511 are too few when
 * thousands of sidecars come back at the same moment: those that find no place try again after 1, 3 and 7 seconds.
 */
const BACKLOG = 4096

/** Whose a port is: of one server, or of one in each of several threads, of which one founds and the others join. */
export type PortSharing = 'alone' | 'founds' | 'joins'

/**
 * Begins to listen. Rejects with `listen-failed`, which names the option and the address. Of servers that share a port the kernel
 * chooses one for each connection.
 */
export async function listen(
  server: Server,
  { host, port }: Address,
  option: string,
  sharing: PortSharing = 'alone',
): Promise<Address> {
  const failure = `${option}: cannot listen on ${formatAddress({ host, port })}`
  // To share a port is to share it with any program of the same user: whoever founds makes sure that nobody has it.
  if (sharing === 'founds' && port !== 0) await claim({ host, port }, failure, option)
  await listening(server, { host, port, backlog: BACKLOG, reusePort: sharing !== 'alone' }, failure, option)
  const bound = server.address()
  return { host, port: typeof bound === 'object' && bound !== null ? bound.port : port }
}

/** Has the port for a moment, without sharing it. */
async function claim(where: Address, failure: string, option: string): Promise<void> {
  const server = createServer()
  await listening(server, where, failure, option)
  await new Promise<unknown>((resolve) => server.close(resolve))
}

/** Begins to take the connections of a listening socket that was handed over; it is closed with the server. */
export async function listenOnDescriptor(server: Server, fd: number, at: Address, option: string): Promise<Address> {
  await listening(server, { fd }, `${option}: cannot take connections from the descriptor ${fd}`, option)
  const bound = server.address()
  return { host: at.host, port: typeof bound === 'object' && bound !== null ? bound.port : at.port }
}

/** Begins to listen on a Unix socket. Rejects with `listen-failed`, which names the path `shown`. */
export function listenOnSocket(server: Server, path: string, shown: string): Promise<void> {
  return listening(server, { path }, `cannot listen on ${shown}`, shown)
}

function listening(
  server: Server,
  where: ListenOptions | { readonly fd: number },
  failure: string,
  place: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException): void => {
      const why = reasons[cause.code ?? ''] ?? cause.message
      reject(new OutriderError('listen-failed', `${failure}: ${why}`, { place, cause }))
    }
    server.once('error', onError)
    server.listen(where, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

/** Accepts no more. Resolves at once: connections that are open are somebody else's to end. */
export function stopListening(server: Server): Promise<void> {
  if (server.listening) server.close()
  return Promise.resolve()
}

/** As `listen`; where `::` is not there, because the kernel was started without IPv6, on `0.0.0.0`. */
export async function listenEverywhere(server: Server, address: Address, option: string): Promise<Address> {
  try {
    return await listen(server, address, option)
  } catch (error) {
    const { cause } = error instanceof OutriderError ? error : {}
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (address.host !== '::' || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error
    return listen(server, { host: '0.0.0.0', port: address.port }, option)
  }
}
