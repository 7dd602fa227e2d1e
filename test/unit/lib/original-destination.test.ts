import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import {
  loadRedirectedDestination,
  readSockaddr,
  transparentDestination,
} from '../../../src/lib/original-destination.ts'
import { boundAddress } from '../../fixtures/app.ts'

t.test('an address as the kernel writes it', async (t) => {
  const four = Buffer.from('02001f900a600a0a0000000000000000'.padEnd(56, '0'), 'hex')
  t.same(readSockaddr(four), { host: '10.96.10.10', port: 8080 })
  const six = Buffer.from('0a0000500000000020010db8000000000000000000000abc00000000', 'hex')
  t.same(readSockaddr(six), { host: '2001:db8::abc', port: 80 })
  const mapped = Buffer.from('0a0000500000000000000000000000000000ffff0a00000100000000', 'hex')
  t.same(readSockaddr(mapped), { host: '10.0.0.1', port: 80 })
  t.equal(readSockaddr(Buffer.alloc(28)), undefined, 'of no family')
})

t.test('a connection that nobody has redirected has no other destination than its own', async (t) => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = boundAddress(server)
  const client = connect(port, '127.0.0.1')
  const [accepted]: Socket[] = await once(server, 'connection')
  const original = await loadRedirectedDestination()
  const found = original(accepted!)
  // Where connections are tracked, the kernel tells the destination that it has; where not, nothing.
  if (found !== undefined) t.same(found, { host: '127.0.0.1', port })
  t.same(transparentDestination(accepted!), { host: '127.0.0.1', port })
  accepted!.destroy()
  client.destroy()
  t.equal(original(accepted!), undefined, 'a socket that is closed')
})
