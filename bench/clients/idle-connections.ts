// Opens connections, has one request answered on each, prints how many there are and holds them until it is ended.
// With --certificate they are mutual TLS to an inbound proxy, with an empty one plain HTTP/1.1 to an outbound one.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { ask, type Exchange } from '../exchange.ts'
import { clientContext, openHop, protocolOf } from '../hop.ts'
import { readWords } from './words.ts'

/** So many are being opened at once: a burst of all would measure queues. */
const OPENING = 32

const word = readWords(process.argv.slice(2))
const port = Number(word('port'))
const certificate = word('certificate')
const exchange: Exchange = { method: 'GET', path: word('path'), headers: {}, body: '', answer: word('answer') }
const signal = AbortSignal.timeout(300_000)
const context = certificate === '' ? undefined : clientContext({ certificate, key: word('key') })

let left = Number(word('connections'))
let errors = 0
const open = new Set<Socket>()

async function openOne(): Promise<void> {
  let socket: Socket
  let answered: string
  if (context === undefined) {
    socket = connect({ host: '127.0.0.1', port })
    await once(socket, 'connect', { signal })
    answered = await ask(socket, 'http1', exchange, signal)
  } else {
    const secured = await openHop(port, context, signal)
    socket = secured
    answered = await ask(secured, protocolOf(secured), exchange, signal)
  }
  if (answered !== exchange.answer) throw new Error(answered)
  open.add(socket)
  socket.on('close', () => open.delete(socket)).on('error', () => {})
}

const loops = Array.from({ length: OPENING }, async () => {
  while (left > 0) {
    left -= 1
    await openOne().catch(() => {
      errors += 1
    })
  }
})
await Promise.all(loops)
console.log(JSON.stringify({ open: open.size, errors }))
