import { once } from 'node:events'
import { createServer } from 'node:http2'
import { connect } from 'node:net'
import t from 'tap'
import { boundAddress } from '../fixtures/app.ts'
import { get, H2Peer, windowUpdate } from '../fixtures/h2-frames.ts'
import { http2Path } from '../fixtures/h2-path.ts'
import { checkLeaks } from '../fixtures/leaks.ts'

checkLeaks(t)

const WINDOW = 65_536
const INITIAL_WINDOW_SIZE = 4

/** A node:http2 application whose response fills the window to its last byte and is ended then. It does not read requests. */
const server = createServer()
server.on('stream', (stream, headers) => {
  stream.on('error', () => {})
  stream.respond({ ':status': 200, ...(headers[':path'] === '/declared' ? { 'content-length': WINDOW } : {}) })
  stream.write(Buffer.alloc(WINDOW, 'x'), () => stream.end())
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
t.teardown(() => server.close())
const { port } = boundAddress(server)

// Node 24.20: Http2Stream[kMaybeDestroy] closes the stream before END_STREAM, which waits for the window, has left.
t.test('node:http2 resets a response that nothing but its END_STREAM is missing of, without our engine', async (t) => {
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  const peer = new H2Peer(socket, 'client').greet([INITIAL_WINDOW_SIZE, WINDOW]).send(windowUpdate(0, WINDOW), get(1))
  peer.credits = false
  const { body, end } = await peer.message(1)
  t.equal(body.length, WINDOW)
  t.equal(end, 'NO_ERROR', 'when it says END_STREAM, what we do about it can go')
})

/** Our client takes nothing more before the window is full: the reader of the response has stopped. */
async function take(path: string): Promise<{ readonly bytes: number; readonly code: string | undefined }> {
  const hop = await http2Path(
    t,
    { port },
    { downstream: 'http1', upstream: 'http2', limits: { streamWindowBytes: WINDOW } },
  )
  const client = await hop.client()
  client.socket.pause()
  client.send(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`)
  const request = await hop.arrival()
  const { exchange } = request
  const data = exchange.responseData.bind(exchange)
  exchange.responseData = (slice) => {
    data(slice)
    return false
  }
  await request.over
  client.socket.destroy()
  return { bytes: exchange.responseBytes, code: request.finished[0]?.code }
}

t.test('what its length proves to be whole is taken for whole; without one it is cut', async (t) => {
  t.strictSame(await take('/declared'), { bytes: WINDOW, code: undefined })
  t.strictSame(await take('/'), { bytes: WINDOW, code: 'upstream-gone' })
})
