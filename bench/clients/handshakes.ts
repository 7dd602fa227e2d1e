// Makes full mutual TLS handshakes for a time, `parallel` at once: connect, shake hands, close. A handshake counts when the
// server has closed the connection in order, which it does not after a certificate that it refuses.
import { once } from 'node:events'
import type { SecureContext } from 'node:tls'
import { clientContext, openHop } from '../hop.ts'
import { readWords } from './words.ts'

const word = readWords(process.argv.slice(2))
const port = Number(word('port'))
const seconds = Number(word('seconds'))

let handshakes = 0
let errors = 0
const signal = AbortSignal.timeout(seconds * 1000 + 30_000)

async function shakeHands(context: SecureContext): Promise<void> {
  try {
    const socket = await openHop(port, context, signal)
    socket.resume().end()
    await once(socket, 'close', { signal })
    handshakes += 1
  } catch {
    errors += 1
  }
}

const context = clientContext({ certificate: word('certificate'), key: word('key') })
const start = performance.now()
const end = start + seconds * 1000
const loops = Array.from({ length: Number(word('parallel')) }, async () => {
  while (performance.now() < end) await shakeHands(context)
})
await Promise.all(loops)
const perSecond = handshakes / ((performance.now() - start) / 1000)
console.log(JSON.stringify({ handshakes, perSecond, errors }))
