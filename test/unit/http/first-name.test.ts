import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { firstName, NAME_BYTES } from '../../../src/http/first-name.ts'
import { boundAddress } from '../../fixtures/app.ts'

/** The ClientHello that a real client sends. */
async function helloOf(
  t: Test,
  options: { readonly servername?: string; readonly ALPNProtocols?: string[] },
): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ port: boundAddress(server).port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  client.on('error', () => {})
  const [socket]: Socket[] = await once(server, 'connection')
  const [bytes]: Buffer[] = await once(socket!, 'data')
  client.destroy()
  socket!.destroy()
  server.close()
  t.ok(bytes!.length > 200, `a hello of ${bytes!.length} bytes`)
  return bytes!
}

t.test('the server name of a ClientHello', async (t) => {
  const hello = await helloOf(t, { servername: 'Orders.Shop', ALPNProtocols: ['h2'] })
  t.same(firstName(hello), { protocol: 'tls', name: 'orders.shop' })
  for (let length = 0; length < hello.length; length += 1) {
    if (firstName(hello.subarray(0, length)) !== undefined) t.fail(`decided after ${length} bytes`)
  }
  const inTwo = Buffer.concat([
    Buffer.from([0x16, 3, 1, 0, 50]),
    hello.subarray(5, 55),
    Buffer.from([0x16, 3, 1, (hello.length - 55) >> 8, (hello.length - 55) & 0xff]),
    hello.subarray(55),
  ])
  t.same(firstName(inTwo), { protocol: 'tls', name: 'orders.shop' }, 'in two records')
  t.same(firstName(await helloOf(t, {})), { protocol: 'tls' }, 'without one')
})

t.test('a hello that never ends names nobody', async (t) => {
  const endless = Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]), Buffer.alloc(NAME_BYTES)])
  t.equal(firstName(endless.subarray(0, NAME_BYTES - 1)), undefined)
  t.same(firstName(endless.subarray(0, NAME_BYTES)), { protocol: 'tls' })
})

t.test('the host of an HTTP/1 request', async (t) => {
  const of = (text: string): ReturnType<typeof firstName> => firstName(Buffer.from(text))
  t.same(of('GET / HTTP/1.1\r\nHost: Orders:8080\r\n\r\n'), { protocol: 'http1', name: 'orders:8080' })
  t.same(of('GET http://orders/x HTTP/1.1\r\nHost: other\r\n\r\n'), { protocol: 'http1', name: 'orders' })
  t.same(of('GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n'), { protocol: 'http1' }, 'two hosts')
  t.same(of('GET / HTTP/1.0\r\n\r\n'), { protocol: 'http1' }, 'none')
  t.equal(of('GET / HTTP/1.1\r\nHost: orders\r\n'), undefined, 'not yet')
  t.same(of(`GET / HTTP/1.1\r\nX: ${'x'.repeat(NAME_BYTES)}`), { protocol: 'http1' }, 'too long')
  t.same(of('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), { protocol: 'http2' })
  t.same(of('*1\r\n$4\r\nPING\r\n'), { protocol: 'tcp' })
})
