import { Fifo } from '../../lib/fifo.ts'
import type { AccessLogSink } from '../../telemetry/access-log.ts'
import type { FromWorker } from './messages.ts'

/** Text that waits for the main thread; beyond it, lines are dropped rather than kept in memory. */
const MAX_WAITING_LENGTH = 1_048_576

type Post = (message: FromWorker) => void

/** The diagnostic log of a worker: its lines go to the main thread, so that lines of two threads never mix. */
export class SentLog {
  readonly #post: Post
  #waiting = ''
  #sending = false

  constructor(post: Post) {
    this.#post = post
  }

  write(line: string): void {
    if (this.#waiting.length + line.length > MAX_WAITING_LENGTH) return
    this.#waiting += line
    if (!this.#sending) this.flush()
  }

  /** The main thread has the lines. */
  written(): void {
    this.#sending = false
    this.flush()
  }

  flush(): void {
    if (this.#waiting === '') return
    this.#sending = true
    this.#post({ kind: 'lines', log: 'log', lines: this.#waiting })
    this.#waiting = ''
  }
}

/** The access log of a worker. `AccessLog` has one write under way at a time. */
export class SentAccessLog implements AccessLogSink {
  readonly #post: Post
  #done: (error?: Error) => void = () => {}

  constructor(post: Post) {
    this.#post = post
  }

  write(lines: string, done: (error?: Error) => void): void {
    this.#done = done
    this.#post({ kind: 'lines', log: 'access-log', lines })
  }

  /** The main thread has written the lines, or could not. */
  written(failure: string | undefined): void {
    this.#done(failure === undefined ? undefined : new Error(failure))
  }

  close(): void {}
}

/** Lets several writers, each with one write under way at a time, take turns at one sink. */
export class SinkInTurns implements AccessLogSink {
  readonly #sink: AccessLogSink
  readonly #waiting = new Fifo<{ readonly lines: string; readonly done: (error?: Error) => void }>()
  #writing = false

  constructor(sink: AccessLogSink) {
    this.#sink = sink
  }

  write(lines: string, done: (error?: Error) => void): void {
    this.#waiting.push({ lines, done })
    if (!this.#writing) this.#next()
  }

  close(): void {
    this.#sink.close()
  }

  #next(): void {
    const first = this.#waiting.shift()
    this.#writing = first !== undefined
    if (first === undefined) return
    this.#sink.write(first.lines, (error) => {
      first.done(error)
      this.#next()
    })
  }
}
