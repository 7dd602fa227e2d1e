import { createReadStream } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { RecordedRequest } from '../../policy/replay/replayer.ts'
import { parseAccessLine } from '../../telemetry/access-log-line.ts'
import type { Output } from '../command.ts'
import { printable } from '../output.ts'
import type { PolicyContext } from './context.ts'

/** Longest line that is taken apart. What an access log writes of one request is below the 60 KiB of a request's head. */
const MAX_LINE_LENGTH = 262_144
/** Bad lines that are shown; all are counted. */
const MAX_SHOWN = 10

/** What was in the logs beside the requests that were handed on. */
export interface LogCounts {
  lines: number
  decided: number
  malformed: number
  outbound: number
  notDecided: number
  linesLost: number
}

/**
 * Hands on every request of the logs that a policy was asked about, in order. Holds one piece of a file at a time, whatever its
 * length. Bad lines are counted, and the first of them shown.
 */
export async function readAccessLogs(
  { options, stdin, stderr, signal }: PolicyContext,
  take: (request: RecordedRequest) => void,
): Promise<LogCounts> {
  if (options.log.length === 0) throw new OutriderError('usage-file', 'give the access log with --log FILE')
  const counts: LogCounts = { lines: 0, decided: 0, malformed: 0, outbound: 0, notDecided: 0, linesLost: 0 }
  for (const name of options.log) {
    let number = 0
    const chunks = name === '-' ? stdin : createReadStream(name, { highWaterMark: 65_536, signal })
    try {
      for await (const line of linesOf(chunks)) {
        number += 1
        counts.lines += 1
        const at = `${name === '-' ? 'stdin' : name}:${number}`
        if (line === undefined) bad(counts, at, `is longer than ${MAX_LINE_LENGTH} characters`, stderr)
        else takeLine(line, at, counts, take, stderr)
      }
    } catch (cause) {
      if (signal.aborted || cause instanceof OutriderError) throw cause
      throw new OutriderError('usage-file', `cannot read ${name}: ${describeError(cause)}`, { place: name, cause })
    }
  }
  if (counts.malformed > MAX_SHOWN) stderr.write(`and ${counts.malformed - MAX_SHOWN} more bad lines\n`)
  return counts
}

function takeLine(
  line: string,
  at: string,
  counts: LogCounts,
  take: (request: RecordedRequest) => void,
  stderr: Output,
): void {
  if (line === '') return
  const read = parseAccessLine(line)
  if (read.kind === 'malformed') bad(counts, at, read.message, stderr)
  else if (read.kind === 'decided') {
    counts.decided += 1
    take(read.request)
  } else if (read.why === 'outbound') counts.outbound += 1
  else if (read.why === 'not-decided') counts.notDecided += 1
  else counts.linesLost += 1
}

function bad(counts: LogCounts, at: string, message: string, stderr: Output): void {
  counts.malformed += 1
  if (counts.malformed <= MAX_SHOWN) stderr.write(`${printable(`${at}: this line ${message}`)}\n`)
}

/** `undefined` for a line that is too long, of which no more than that is held. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string | undefined> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let tooLong = false
  for await (const chunk of chunks) {
    const pieces = decoder.write(chunk).split('\n')
    for (const [index, piece] of pieces.entries()) {
      if (!tooLong && rest.length + piece.length > MAX_LINE_LENGTH) {
        tooLong = true
        rest = ''
      }
      if (!tooLong) rest += piece
      if (index === pieces.length - 1) break
      yield tooLong ? undefined : rest
      rest = ''
      tooLong = false
    }
  }
  if (tooLong || rest !== '') yield tooLong ? undefined : rest
}

/** What a person must know about what was not looked at. */
export function countsLine({ lines, decided, malformed, outbound, notDecided, linesLost }: LogCounts): string {
  const others = [
    [outbound, 'of outbound sidecars'],
    [notDecided, 'refused before a policy was asked'],
    [linesLost, 'that say that lines were lost'],
    [malformed, 'bad'],
  ] as const
  const rest = others.flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]))
  return `${lines} lines: ${decided} decided requests${rest.map((text) => `, ${text}`).join('')}\n`
}
