import { type DestinationStream, destination, type Logger as Pino, pino } from 'pino'
import type { Clock } from '../lib/clock.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { type Watch, WatchCell } from '../lib/watch.ts'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'

/** The diagnostic log: what this process does and what goes wrong in it. Requests belong into the access log. */
export interface Logger {
  trace(fields: object, message: string): void
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** A logger that adds `fields` to each line. Follows the level of its root. */
  child(fields: object): Logger
}

export interface RootLogger extends Logger {
  level: LogLevel
  readonly levels: Watch<LogLevel>
  /** Writes lines that the logger of another thread has made. */
  relay(lines: string): void
  /** Writes what is still in memory. */
  flush(): void
}

export interface LoggerOptions {
  /** Which process speaks: `sidecar`, `control`. */
  readonly name: string
  readonly level: LogLevel
  readonly clock: Clock
  /** One JSON line per call of `write`; the standard error when not given. */
  readonly sink?: DestinationStream
}

/** Lines waiting for a slow reader of the standard error; beyond this they are dropped rather than kept in memory. */
const MAX_WAITING_BYTES = 1_048_576

const secretFields = ['authorization', 'cookie', 'joinToken', 'password', 'privateKey', 'secret', 'token']

/** A logger that writes JSON lines. Fields that are named like secrets are blanked, wherever a caller put them. */
export function createLogger({ name, level, clock, sink }: LoggerOptions): RootLogger {
  // Asynchronous: a reader that stops must not stop the proxy.
  const stderr = sink === undefined ? destination({ dest: 2, sync: false, maxLength: MAX_WAITING_BYTES }) : undefined
  const output = sink ?? stderr!
  const levels = new WatchCell(level)
  const root = pino(
    {
      level,
      base: { process: name },
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeForLog },
      redact: {
        paths: [
          ...secretFields,
          ...secretFields.map((field) => `*.${field}`),
          ...secretFields.map((field) => `*.*.${field}`),
        ],
        censor: '[secret]',
      },
    },
    output,
  )
  const log = new PinoLogger(root, {})
  return {
    trace: (fields, message) => log.trace(fields, message),
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    child: (fields) => log.child(fields),
    levels,
    get level() {
      return levels.current
    },
    set level(next) {
      root.level = next
      levels.set(next)
    },
    relay: (lines) => output.write(lines),
    flush: () => stderr?.flushSync(),
  }
}

/** The stack only where it helps: an `OutriderError` says what is wrong by itself, anything else is a bug. */
function describeForLog(thrown: unknown): object {
  const message = describeError(thrown)
  if (thrown instanceof OutriderError) return { code: thrown.code, message }
  return thrown instanceof Error ? { message, stack: thrown.stack } : { message }
}

/** Carries its own fields instead of using pino's children: those keep the level they were born with. */
class PinoLogger implements Logger {
  readonly #root: Pino
  readonly #fields: object

  constructor(root: Pino, fields: object) {
    this.#root = root
    this.#fields = fields
  }

  trace(fields: object, message: string): void {
    this.#write('trace', fields, message)
  }

  debug(fields: object, message: string): void {
    this.#write('debug', fields, message)
  }

  info(fields: object, message: string): void {
    this.#write('info', fields, message)
  }

  warn(fields: object, message: string): void {
    this.#write('warn', fields, message)
  }

  error(fields: object, message: string): void {
    this.#write('error', fields, message)
  }

  child(fields: object): Logger {
    return new PinoLogger(this.#root, { ...this.#fields, ...fields })
  }

  #write(level: LogLevel, fields: object, message: string): void {
    if (this.#root.isLevelEnabled(level)) this.#root[level]({ ...this.#fields, ...fields }, message)
  }
}
