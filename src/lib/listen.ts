import type { ListenOptions, Server } from 'node:net'
import { type Address, formatAddress } from './address.ts'
import { OutriderError } from './errors.ts'

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EACCES: 'this user may not listen there',
  EADDRNOTAVAIL: 'this machine does not have that address',
}

/** Begins to listen. Rejects with `listen-failed`, which names the option and the address. */
export async function listen(server: Server, { host, port }: Address, option: string): Promise<Address> {
  await listening(server, { host, port }, `${option}: cannot listen on ${formatAddress({ host, port })}`, option)
  const bound = server.address()
  return { host, port: typeof bound === 'object' && bound !== null ? bound.port : port }
}

/** Begins to listen on a Unix socket. Rejects with `listen-failed`, which names the path `shown`. */
export function listenOnSocket(server: Server, path: string, shown: string): Promise<void> {
  return listening(server, { path }, `cannot listen on ${shown}`, shown)
}

function listening(server: Server, where: ListenOptions, failure: string, place: string): Promise<void> {
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
