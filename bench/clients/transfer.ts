// Transfers bodies of --bytes through an outbound proxy, one after the other on each of --connections connections, until
// --seconds have passed and at least one a connection. --direction down: response bodies; up: request bodies.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { HOST } from '../exchange.ts'
import { readWords } from './words.ts'

const CHUNK = Buffer.alloc(256 * 1024, '.')

const word = readWords(process.argv.slice(2))
const port = Number(word('port'))
const bytes = Number(word('bytes'))
const seconds = Number(word('seconds'))
const signal = AbortSignal.timeout(seconds * 1000 + 300_000)
let transfers = 0

/** A connection that reads into one buffer, so that receiving costs little more than the kernel's copy. */
class Connection {
  readonly #socket: Socket
  #head = ''
  /** Bytes of the answer's body that are still to come; undefined while its head is read. */
  #left: number | undefined
  #body = ''
  #answered: ((body: string) => void) | undefined

  constructor() {
    const buffer = Buffer.alloc(256 * 1024)
    const onread = {
      buffer,
      callback: (length: number) => {
        this.#read(buffer, length)
        return true
      },
    }
    this.#socket = connect({ host: '127.0.0.1', port: port, onread })
  }

  /** Sends a request and resolves with the answer's body, or with nothing of it where it is long. */
  async request(head: string, bodyLength: number): Promise<string> {
    this.#head = ''
    this.#body = ''
    this.#left = undefined
    const answered = new Promise<string>((resolve) => {
      this.#answered = resolve
    })
    const ended = once(this.#socket, 'close', { signal }).then(() => {
      throw new Error(`the connection ended after: ${this.#head}${this.#body}`)
    })
    this.#socket.write(head)
    for (let left = bodyLength; left > 0; left -= CHUNK.length) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK
      if (!this.#socket.write(chunk)) await Promise.race([once(this.#socket, 'drain', { signal }), ended])
    }
    return Promise.race([answered, ended])
  }

  #read(buffer: Buffer, length: number): void {
    let bodyStart = 0
    if (this.#left === undefined) {
      const before = this.#head.length
      this.#head += buffer.toString('latin1', 0, Math.min(length, 16_384))
      const end = this.#head.indexOf('\r\n\r\n')
      if (end === -1) return
      const status = this.#head.split(' ')[1]
      if (status !== '200') throw new Error(`status ${status}`)
      const contentLength = /^content-length: *(\d+)/im.exec(this.#head)?.[1]
      if (contentLength === undefined) throw new Error('the answer does not tell its length')
      this.#left = Number(contentLength)
      bodyStart = end + 4 - before
    }
    this.#left -= length - bodyStart
    if (this.#body.length < 64) this.#body += buffer.toString('latin1', bodyStart, Math.min(length, bodyStart + 64))
    if (this.#left === 0) this.#answered?.(this.#body)
  }

  close(): void {
    this.#socket.destroy()
  }
}

async function transfer(connection: Connection): Promise<void> {
  if (word('direction') === 'down') {
    await connection.request(`GET /x?bytes=${bytes} HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`, 0)
  } else {
    const head = `POST /x HTTP/1.1\r\nhost: ${HOST}\r\ncontent-length: ${bytes}\r\n\r\n`
    const received = await connection.request(head, bytes)
    if (Number(received) !== bytes) throw new Error(`${received} bytes of ${bytes} were received`)
  }
  transfers += 1
}

const start = performance.now()
const end = start + seconds * 1000
const loops = Array.from({ length: Number(word('connections')) }, async () => {
  const connection = new Connection()
  do await transfer(connection)
  while (performance.now() < end)
  connection.close()
})
await Promise.all(loops)
console.log(JSON.stringify({ transfers, elapsedSeconds: (performance.now() - start) / 1000 }))
