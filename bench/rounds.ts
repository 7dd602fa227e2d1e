import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { packageRoot } from '../src/lib/package-root.ts'
import { unreachable } from '../src/lib/unreachable.ts'
import type { App } from './apps/app.ts'
import { makeCertificates } from './certificates.ts'
import { ask } from './exchange.ts'
import { type Figure, valueOf, type Values } from './figures.ts'
import { checkHop } from './hop.ts'
import type { Contest, Scenario } from './scenarios/scenario.ts'
import type { Environment, Running, Subject } from './subjects/subject.ts'

const READY_DEADLINE_MS = 15_000
const ANSWER_DEADLINE_MS = 2000
/** Room for the bench's own probes beside the load's connections, and for small loads. */
const SPARE_CONNECTIONS = 500
const LEAST_CONNECTIONS = 4096

export interface RoundOptions {
  readonly seconds: number
  readonly connections: number
  readonly rounds: number
  readonly signal: AbortSignal
  readonly profileFolder: string | undefined
  /** Told what happens, for a person who waits. */
  readonly note: (text: string) => void
}

/** What one subject did in all rounds. */
export interface Measured {
  readonly kind: 'measured'
  readonly subject: string
  readonly version: string
  readonly values: Values
  /** Lowest and highest round of the figure that subjects are compared by: how noisy the machine was. */
  readonly range: readonly [number, number]
}

export interface Missing {
  readonly kind: 'missing'
  readonly subject: string
  readonly why: string
  /** It is installed and should have run: the bench fails. */
  readonly broken: boolean
}

export type Outcome = Measured | Missing

/** A subject with its proxies up. It stays in the run until `failure`. */
interface Contestant {
  readonly subject: Subject
  readonly running: Running
  readonly rounds: Values[]
  failure: string | undefined
}

/**
 * Starts every subject, then measures them in turn, round after round (A B C A B C), so that a drift of the machine
 * meets all alike. Everything started here has ended, and the temporary folder is gone, when this returns or throws.
 */
export async function measure(
  scenario: Scenario,
  subjects: readonly Subject[],
  options: RoundOptions,
): Promise<{ outcomes: Outcome[]; app: string }> {
  const { signal, note, profileFolder, seconds, connections } = options
  const noLoad = scenario.available() ?? scenario.app.available()
  if (noLoad !== undefined) {
    return { app: 'none', outcomes: subjects.map(({ name }) => missing(name, noLoad, false)) }
  }
  await using ends = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'outrider-bench-'))
  ends.defer(() => rmSync(folder, { recursive: true, force: true }))
  const certificates = await makeCertificates(join(folder, 'certificates'), signal)
  const app = await scenario.app.start(folder)
  ends.defer(() => app.child.stop())
  await answers(app.port, app, () => app.child.crash, signal)

  const maxConnections = Math.max(LEAST_CONNECTIONS, connections + SPARE_CONNECTIONS)
  const entered: (Contestant | Missing)[] = []
  for (const subject of subjects) {
    const own = join(folder, subject.name)
    mkdirSync(own)
    const environment = { folder: own, certificates, app, maxConnections, signal, profileFolder }
    entered.push(await enter(subject, environment, app, ends, note))
  }
  const contestants = entered.filter((entry) => 'running' in entry)
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const contestant of contestants) {
      if (contestant.failure !== undefined) continue
      const { subject, running } = contestant
      await measureRound(scenario, contestant, { running, app, seconds, connections, folder, signal })
      const { compared } = scenario
      const value = contestant.rounds.at(-1)?.[compared.key]?.toFixed(compared.digits)
      const result = contestant.failure ?? `${compared.head}: ${value}`
      note(`${scenario.name} ${round}/${options.rounds}  ${subject.name}  ${result}`)
    }
  }
  return { app: app.kind, outcomes: entered.map((entry) => ('running' in entry ? summarise(entry, scenario) : entry)) }
}

function missing(subject: string, why: string, broken: boolean): Missing {
  return { kind: 'missing', subject, why, broken }
}

/** Brings a subject up: its first right answer, and the proof that the hop is mutual TLS. What it starts is put on `ends`. */
async function enter(
  subject: Subject,
  environment: Environment,
  app: App,
  ends: AsyncDisposableStack,
  note: (text: string) => void,
): Promise<Contestant | Missing> {
  const why = subject.available()
  if (why !== undefined) return missing(subject.name, why, false)
  const { signal } = environment
  try {
    const running = await subject.start(environment)
    ends.defer(() => running.stop())
    await answers(running.outPort, app, () => running.crash(), signal)
    const protocol = await checkHop(
      running,
      app.exchange,
      AbortSignal.any([signal, AbortSignal.timeout(READY_DEADLINE_MS)]),
    )
    note(`${subject.name} is up, the hop is mutual TLS 1.3 and ${protocol}`)
    return { subject, running, rounds: [], failure: undefined }
  } catch (error) {
    signal.throwIfAborted()
    const [reason = '', ...details] = messageOf(error).split('\n')
    for (const line of details) note(`${subject.name}: ${line.trim()}`)
    return missing(subject.name, `did not start: ${reason}`, true)
  }
}

/** What went wrong, without the place of this checkout: reports are published. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(`${packageRoot}/`, '')
}

/** Adds to the contestant's rounds, or sets its failure. */
async function measureRound(scenario: Scenario, contestant: Contestant, contest: Contest): Promise<void> {
  try {
    contestant.rounds.push(await scenario.round(contest))
  } catch (error) {
    contest.signal.throwIfAborted()
    contestant.failure = contestant.running.crash() ?? messageOf(error)
  }
}

function summarise({ subject, rounds, failure }: Contestant, { figures, compared }: Scenario): Outcome {
  if (failure !== undefined) return missing(subject.name, `failed under load: ${failure.split('\n')[0]}`, true)
  const values = Object.fromEntries(figures.map((figure) => [figure.key, overRounds(figure, rounds)]))
  const all = rounds.map((round) => valueOf(round, compared))
  return {
    kind: 'measured',
    subject: subject.name,
    version: subject.version(),
    values,
    range: [Math.min(...all), Math.max(...all)],
  }
}

function overRounds(figure: Figure, rounds: readonly Values[]): number {
  const sorted = rounds.map((round) => valueOf(round, figure)).toSorted((a, b) => a - b)
  switch (figure.over) {
    case 'sum':
      return sorted.reduce((total, value) => total + value, 0)
    case 'highest':
      return sorted.at(-1) ?? Number.NaN
    case 'median': {
      const middle = sorted.length >> 1
      const upper = sorted[middle] ?? Number.NaN
      return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
    }
    default:
      return unreachable(figure.over)
  }
}

/** Waits until the whole way answers as it should, to the byte. */
async function answers(port: number, app: App, crash: () => string | undefined, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_DEADLINE_MS
  for (;;) {
    const answer = await askOnce(port, app, signal).catch((error: unknown) => String(error))
    if (answer === app.exchange.answer) return
    const why = crash() ?? (performance.now() > deadline ? `no right answer, at last: ${answer}` : undefined)
    if (why !== undefined) throw new Error(why)
    await delay(50, undefined, { signal })
  }
}

async function askOnce(port: number, { protocol, exchange }: App, signal: AbortSignal): Promise<string> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_DEADLINE_MS)])
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect', { signal: bounded })
    return await ask(socket, protocol === 'grpc' ? 'h2' : 'http1', exchange, bounded)
  } finally {
    socket.destroy()
  }
}
