// 100 MiB through a side that does not read: what is held stays bounded, and nothing is lost when it reads again.
import t from 'tap'
import { type HttpPath, httpPath, nodeApp, type Peer, rawApp } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const MIB = 1024 * 1024
const TOTAL = 100 * MIB
/** One read of one side, what the other side's socket and outbox take before they say that they are full, and no more. */
const MOST_HELD = 256 * 1024

function held(path: HttpPath): number {
  let bytes = 0
  for (const socket of [...path.clientSockets, ...path.upstreamSockets]) {
    bytes += socket.writableLength + socket.readableLength
  }
  return bytes
}

/** Writes `total` bytes as fast as `peer` takes them; calls `stalled` when it takes no more. */
async function pour(peer: Peer, total: number, chunked: boolean, stalled: () => void): Promise<void> {
  const slice = Buffer.alloc(64 * 1024, 'x')
  const framed = chunked ? Buffer.concat([Buffer.from('10000\r\n'), slice, Buffer.from('\r\n')]) : slice
  let saidStalled = false
  for (let sent = 0; sent < total; sent += slice.length) {
    if (peer.socket.write(framed)) continue
    await new Promise<void>((resolve) => {
      const drained = (): void => {
        clearTimeout(stall)
        resolve()
      }
      peer.socket.once('drain', drained)
      // There is no event for "nothing moves any more": so long without a drain is one.
      const stall = setTimeout(() => {
        if (!saidStalled) stalled()
        saidStalled = true
      }, 100)
    })
  }
  if (chunked) peer.send('0\r\n\r\n')
}

for (const chunked of [false, true]) {
  const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${TOTAL}`

  t.test(`a response to a client that does not read, ${framing}`, async (t) => {
    const app = await rawApp(t)
    const path = await httpPath(t, app)
    const client = await path.client()
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await app.accept()
    await upstream.until('\r\n\r\n')
    client.socket.removeAllListeners('data')
    client.socket.pause()
    let received = 0
    let mostHeld = 0
    client.socket.on('data', (bytes) => {
      received += bytes.length
      mostHeld = Math.max(mostHeld, held(path))
    })
    client.socket.pause()
    upstream.send(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`)
    let stalls = 0
    await pour(upstream, TOTAL, chunked, () => {
      stalls += 1
      mostHeld = held(path)
      client.socket.resume()
    })
    await (await path.arrival()).over
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await upstream.until((text) => text.split('\r\n\r\n').length === 3)
    t.equal(stalls, 1, 'the application had to wait')
    t.ok(received >= TOTAL - MOST_HELD, 'and then all went through')
    t.ok(mostHeld <= MOST_HELD, `at most ${mostHeld} bytes were held`)
  })

  t.test(`a request to an application that does not read, ${framing}`, async (t) => {
    let resume: (() => void) | undefined
    let received = 0
    const app = await nodeApp(t, (request, response) => {
      request.removeAllListeners('data')
      request.pause()
      resume = () => {
        request.on('data', (bytes: Buffer) => {
          received += bytes.length
        })
        request.resume()
      }
      request.on('end', () => response.end('done'))
    })
    const path = await httpPath(t, app)
    const client = await path.client()
    client.send(`POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`)
    let stalls = 0
    let mostHeld = 0
    await pour(client, TOTAL, chunked, () => {
      stalls += 1
      mostHeld = held(path)
      resume?.()
    })
    await client.until('done')
    t.equal(stalls, 1)
    t.equal(received, TOTAL)
    t.ok(mostHeld <= MOST_HELD, `at most ${mostHeld} bytes were held`)
  })
}

t.test('a tunnel whose other side does not read', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
  const upstream = await app.accept()
  await upstream.until('\r\n\r\n')
  upstream.send('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
  await client.until('\r\n\r\n')
  upstream.socket.removeAllListeners('data')
  let received = 0
  upstream.socket.on('data', (bytes) => {
    received += bytes.length
  })
  upstream.socket.pause()
  let mostHeld = 0
  await pour(client, TOTAL, false, () => {
    mostHeld = held(path)
    upstream.socket.resume()
  })
  client.socket.end()
  await upstream.end
  t.equal(received, TOTAL)
  t.ok(mostHeld > 0 && mostHeld <= MOST_HELD, `at most ${mostHeld} bytes were held`)
})
