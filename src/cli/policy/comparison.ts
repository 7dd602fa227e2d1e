import { type Group, Groups } from '../../policy/replay/groups.ts'
import type { RecordedRequest, Replayed } from '../../policy/replay/replayer.ts'
import { type ExitCode, exitCode } from '../command.ts'
import { type Json, print, printable } from '../output.ts'
import type { PolicyContext } from './context.ts'
import { countsLine, type LogCounts } from './log.ts'

interface Change {
  readonly request: RecordedRequest
  readonly before: string
  readonly after: Replayed
}

/** Recorded requests, each decided twice: how many decisions are the same, and in which ways the others differ. */
export class Comparison {
  readonly #groups = new Groups<Change>()
  readonly #totals = { same: 0, newlyDenied: 0, newlyAllowed: 0, undecidable: 0 }

  /** `before` in words: what decided. */
  add(request: RecordedRequest, first: Replayed['outcome'], before: string, after: Replayed): void {
    if (first === 'undecidable' || after.outcome === 'undecidable') {
      this.#totals.undecidable += 1
      this.#group('undecidable', request, before, after)
    } else if (first === after.outcome) this.#totals.same += 1
    else if (after.outcome === 'deny') {
      this.#totals.newlyDenied += 1
      this.#group('newly denied', request, before, after)
    } else {
      this.#totals.newlyAllowed += 1
      this.#group('newly allowed', request, before, after)
    }
  }

  #group(kind: string, request: RecordedRequest, before: string, after: Replayed): void {
    const { workload } = request
    const key = [kind, callerOf(request), workload, request.request.method ?? 'TCP', before, outcomeText(after)]
    this.#groups.add(key, () => ({ request, before, after }))
  }

  /** Prints it, and gives the exit code. */
  report({ options, stdout }: PolicyContext, counts: LogCounts): ExitCode {
    const groups = this.#groups
    const { same, newlyDenied, newlyAllowed, undecidable } = this.#totals
    if (options.output === 'table') {
      stdout.write(countsLine(counts))
      for (const group of groups.list) stdout.write(groupLines(group))
      if (groups.others > 0) stdout.write(`${String(groups.others).padStart(7)}  in further groups\n`)
      stdout.write(
        `${same} the same, ${newlyDenied} newly denied, ${newlyAllowed} newly allowed, ${undecidable} undecidable\n`,
      )
    } else {
      const listed = { groups: groups.list.map(groupJson), inFurtherGroups: groups.others }
      const value = { log: { ...counts }, ...this.#totals, ...listed }
      print(stdout, options.output, value, () => ({ columns: [], rows: [], empty: '' }))
    }
    return options['fail-on-denied'] === true && newlyDenied > 0 ? exitCode.failure : exitCode.ok
  }
}

function callerOf({ request: { principal } }: RecordedRequest): string {
  return principal.kind === 'peer' ? principal.id : 'anonymous'
}

export function outcomeText(replayed: Replayed): string {
  if (replayed.outcome === 'allow') return `allow by ${replayed.rule}`
  if (replayed.outcome === 'undecidable') return `undecidable: ${replayed.because}`
  const { code, rule, nearest } = replayed
  const why = rule ?? (nearest === undefined ? undefined : `nearest ${nearest}`)
  return `deny: ${code}${why === undefined ? '' : `, ${why}`}`
}

function groupLines({ key: [kind, caller, workload, method], count, example }: Group<Change>): string {
  const { request, before, after } = example
  const { path, port } = request.request
  const lines = [
    `${String(count).padStart(7)}  ${kind}: ${caller} -> ${workload}, ${method}`,
    `         ${before}  =>  ${outcomeText(after)}`,
    `         such as ${[method, path, `port ${port}`].filter((part) => part !== undefined).join(' ')}, request ${request.requestId}`,
  ]
  return lines.map((line) => `${printable(line)}\n`).join('')
}

function groupJson({ key: [kind, caller, workload, method], count, example }: Group<Change>): Json {
  const { request, before, after } = example
  const { path, port } = request.request
  return {
    kind: kind ?? '',
    caller: caller ?? '',
    workload: workload ?? '',
    method: method ?? '',
    before,
    after: outcomeText(after),
    count,
    example: { requestId: request.requestId, path, port },
  }
}
