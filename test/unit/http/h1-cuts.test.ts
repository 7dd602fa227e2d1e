// A message means the same however the network cuts it.
import t from 'tap'
import type { RequestHead, ServerStream } from '../../../src/http/exchange.ts'
import { H1ServerConnection } from '../../../src/http/h1/server.ts'
import type { ProtocolFaultCode } from '../../../src/http/protocol-fault.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { framingVectors, nextTurn, testLimits, WireSocket } from '../../fixtures/http.ts'

interface Reading {
  readonly requests: { head: RequestHead; body: string; trailers: readonly string[] | 'aborted' | undefined }[]
  fault: ProtocolFaultCode | undefined
}

/** What the server codec makes of bytes that come in these slices. */
function read(slices: readonly Buffer[]): Reading {
  const reading: Reading = { requests: [], fault: undefined }
  const socket = new WireSocket()
  const connection = new H1ServerConnection(socket, {
    limits: testLimits,
    sweep: new Sweep(new TestClock()),
    handler: (head: RequestHead, stream: ServerStream) => {
      const request: Reading['requests'][number] = { head, body: '', trailers: undefined }
      reading.requests.push(request)
      return {
        requestData: (slice) => {
          request.body += slice.toString('latin1')
          return true
        },
        requestEnd: (trailers) => {
          request.trailers = trailers
          stream.respond({ status: 200, headers: [], bodyLength: 0, close: false })
          stream.end([])
        },
        requestAborted: () => {
          request.trailers = 'aborted'
        },
        responseDrained: () => {},
      }
    },
    onFault: (code) => {
      reading.fault = code
    },
    onClosed: () => {},
  })
  for (const slice of slices) socket.emit('data', Buffer.from(slice))
  connection.destroy()
  return reading
}

/** Without what belongs to the cut and not to the message. */
function meaning({ requests, fault }: Reading): string {
  // Of a message that is refused in its body, how much went ahead is a matter of slices.
  return fault === undefined ? JSON.stringify(requests) : fault
}

const vectors = framingVectors()

function* cuts(bytes: Buffer): Generator<readonly Buffer[]> {
  for (let at = 1; at < bytes.length; at += 1) yield [bytes.subarray(0, at), bytes.subarray(at)]
  for (let size = 1; size <= 3; size += 1) {
    const slices: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) slices.push(bytes.subarray(at, at + size))
    yield slices
  }
}

t.test('every vector, cut at every byte, and into slices of one, two and three bytes', async (t) => {
  for (const { name, raw } of vectors) {
    const bytes = Buffer.from(raw, 'latin1')
    const whole = meaning(read([bytes]))
    const different = [...cuts(bytes)].find((slices) => meaning(read(slices)) !== whole)
    if (different === undefined) continue
    t.equal(
      meaning(read(different)),
      whole,
      `${name}: ${JSON.stringify(different.map((slice) => slice.toString('latin1')))}`,
    )
  }
  t.pass(`${vectors.length} vectors`)
  await nextTurn()
})

t.test('pipelined requests, each pair of cuts', async (t) => {
  const accepted = vectors.filter(({ expect, raw }) => expect === 'forwarded' && !/upgrade|close|1\.0/i.test(raw))
  const all = Buffer.from(accepted.map(({ raw }) => raw).join(''), 'latin1')
  const whole = read([all])
  t.equal(whole.requests.length, accepted.length)
  t.equal(whole.fault, undefined)
  const expected = meaning(whole)
  for (const slices of cuts(all)) if (meaning(read(slices)) !== expected) t.fail(`cut at ${slices[0]?.length}`)

  const one = Buffer.from(
    '\r\nPOST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nX: 1\r\n\r\n',
  )
  const meant = meaning(read([one]))
  for (let first = 1; first < one.length; first += 1) {
    for (let second = first + 1; second < one.length; second += 1) {
      const slices = [one.subarray(0, first), one.subarray(first, second), one.subarray(second)]
      if (meaning(read(slices)) !== meant) t.fail(`cut at ${first} and ${second}`)
    }
  }
  t.equal(JSON.parse(meant).length, 1)
  await nextTurn()
})
