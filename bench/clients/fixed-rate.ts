// Sends --rate GET requests a second for --seconds, whatever comes back: an open loop. A request for which no connection is
// idle opens another, so that a slow answer never delays, and hides, those behind it. A latency is the time from the
// writing of a request to the last byte of its answer.
import { connect, type Socket } from 'node:net'
import { HOST } from '../exchange.ts'
import { readWords } from './words.ts'

/** A request that finds all of these busy is an error. */
const MAX_CONNECTIONS = 512
const LAST_ANSWERS_MS = 5000

const word = readWords(process.argv.slice(2))
const port = Number(word('port'))
const rate = Number(word('rate'))
const seconds = Number(word('seconds'))
const request = Buffer.from(`GET ${word('path')} HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`)
/** All that are open, and those of them that wait for their next request. */
const open = new Set<Connection>()
const idle: Connection[] = []
const latencies: number[] = []
let waiting = 0
let errors = 0

class Connection {
  readonly #socket: Socket
  #sentAt = 0
  #text = ''

  constructor() {
    open.add(this)
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      open.delete(this)
      const position = idle.indexOf(this)
      if (position !== -1) idle.splice(position, 1)
      else unanswered()
    })
  }

  send(): void {
    this.#sentAt = performance.now()
    this.#text = ''
    waiting += 1
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    this.#text += chunk.toString('latin1')
    const head = this.#text.indexOf('\r\n\r\n')
    if (head === -1) return
    const length = Number(/^content-length: *(\d+)/im.exec(this.#text)?.[1])
    if (this.#text.length < head + 4 + length) return
    waiting -= 1
    if (this.#text.startsWith('HTTP/1.1 200')) latencies.push(performance.now() - this.#sentAt)
    else errors += 1
    idle.push(this)
  }
}

function unanswered(): void {
  errors += 1
  waiting -= 1
}

function send(): void {
  const connection = idle.pop() ?? (open.size < MAX_CONNECTIONS ? new Connection() : undefined)
  if (connection === undefined) errors += 1
  else connection.send()
}

const start = performance.now()
const total = rate * seconds
let sent = 0
/** Timers have milliseconds: each sends what has become due since the last. */
function tick(): void {
  const now = performance.now()
  const due = Math.min(total, Math.floor(((now - start) / 1000) * rate))
  for (; sent < due; sent += 1) send()
  if (sent < total || (waiting > 0 && now < start + seconds * 1000 + LAST_ANSWERS_MS)) setTimeout(tick, 1)
  else report((now - start) / 1000)
}

function report(elapsed: number): void {
  const sorted = latencies.toSorted((a, b) => a - b)
  const percentile = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
  // Those still waiting are counted here and not when their connections close.
  errors += waiting
  const figures = {
    requests: sorted.length,
    rps: sorted.length / elapsed,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
  }
  console.log(JSON.stringify({ ...figures, errors }))
  for (const connection of open) connection.close()
}

tick()
