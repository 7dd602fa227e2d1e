import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { cut } from '../../../src/http/cut.ts'
import { type Peer, rawApp } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

/** A socket of ours and the peer at its other end. */
async function pair(t: Test): Promise<{ ours: Socket; peer: Peer }> {
  const app = await rawApp(t)
  const ours = connect({ port: app.port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => ours.destroy())
  return { ours, peer: await app.accept() }
}

t.test('in the middle: a reset', async (t) => {
  const { ours, peer } = await pair(t)
  ours.write('half a')
  await peer.until('half a')
  cut(ours)
  t.equal(await peer.end, 'reset')
})

t.test('ended, but not all of it sent: a reset, so that the peer does not take it for the whole', async (t) => {
  const { ours, peer } = await pair(t)
  peer.socket.pause()
  const all = Buffer.alloc(32 * 1024 * 1024)
  ours.end(all)
  peer.socket.once('readable', () => {})
  await once(peer.socket, 'readable')
  t.ok(ours.writableEnded && ours.writableLength > 0)
  cut(ours)
  peer.socket.resume()
  t.equal(await peer.end, 'reset')
  t.ok(peer.bytes.length < all.length)
})

t.test('ended and sent: what was sent stays whole', async (t) => {
  const { ours, peer } = await pair(t)
  ours.end('whole')
  await once(ours, 'finish')
  cut(ours)
  t.equal(await peer.end, 'ended')
  t.equal(peer.text, 'whole')
})

t.test('a socket whose FIN is under way is closed without an error', async (t) => {
  const { ours, peer } = await pair(t)
  ours.end()
  cut(ours)
  await once(ours, 'close')
  t.not(await peer.end, 'reset')
})

t.test('twice does no harm', async (t) => {
  const { ours } = await pair(t)
  cut(ours)
  cut(ours)
  await once(ours, 'close')
  cut(ours)
  t.ok(ours.destroyed)
})
