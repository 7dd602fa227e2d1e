import type { Server } from 'node:net'
import { type Address, formatAddress } from '../config/address.ts'
import { OutriderError } from '../lib/errors.ts'

/** Begins to listen. Rejects with `listen-failed`, which names the address and the option. */
export function listen(server: Server, { host, port }: Address, option: string): Promise<Address> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException): void => {
      const why = cause.code === 'EADDRINUSE' ? 'the port is in use' : cause.message
      reject(
        new OutriderError('listen-failed', `${option}: cannot listen on ${formatAddress({ host, port })}: ${why}`, {
          place: option,
          cause,
        }),
      )
    }
    server.once('error', onError)
    server.listen({ host, port }, () => {
      server.off('error', onError)
      const bound = server.address()
      resolve({ host, port: typeof bound === 'object' && bound !== null ? bound.port : port })
    })
  })
}

/** Accepts no more. Resolves at once: connections that are open are somebody else's to end. */
export function stopListening(server: Server): Promise<void> {
  if (server.listening) server.close()
  return Promise.resolve()
}
