import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/** A free loopback port, for a program that cannot be told to choose one itself. */
export async function freePort(): Promise<number> {
  const server = await hold()
  return release(server)
}

/** Two of them for a pair of proxies. Both are held open until both are known, so that they differ. */
export async function freePair(): Promise<{ outPort: number; inPort: number }> {
  const [outbound, inbound] = await Promise.all([hold(), hold()])
  return { outPort: await release(outbound), inPort: await release(inbound) }
}

async function hold(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function release(server: Server): Promise<number> {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port')
  server.close()
  await once(server, 'close')
  return address.port
}
