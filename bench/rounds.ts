import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { packageRoot } from '../src/lib/package-root.ts'
import { BODY, startApp } from './app.ts'
import { makeCertificates } from './certificates.ts'
import type { LoadResult } from './load.ts'
import { cpuMicroseconds, peakRssMb } from './measure.ts'
import type { Scenario } from './scenarios/scenario.ts'
import type { Environment, Running, Subject } from './subjects/subject.ts'

/** Fills connection pools and lets compilers settle before each measured window. */
const WARM_UP_S = 1
const READY_DEADLINE_MS = 15_000
const ANSWER_DEADLINE_MS = 2000

export interface RoundOptions {
  readonly seconds: number
  readonly connections: number
  readonly rounds: number
  readonly signal: AbortSignal
  readonly profileFolder: string | undefined
  /** Told what happens, for a person who waits. */
  readonly note: (text: string) => void
}

/** What one subject did: medians over the rounds, sums for `requests` and `errors`, the highest for `rssMb`. */
export interface Measured {
  readonly kind: 'measured'
  readonly subject: string
  readonly version: string
  readonly rps: number
  readonly cpuUsPerRequestOut: number
  readonly cpuUsPerRequestIn: number
  /** Lowest and highest round of the two CPU figures together: how noisy the machine was. */
  readonly cpuUsPerRequestRange: readonly [number, number]
  readonly p50Ms: number
  readonly p99Ms: number
  /** Outbound and inbound proxy together. */
  readonly rssMb: number
  readonly requests: number
  readonly errors: number
}

export interface Missing {
  readonly kind: 'missing'
  readonly subject: string
  readonly why: string
  /** It is installed and should have run: the bench fails. */
  readonly broken: boolean
}

export type Outcome = Measured | Missing

interface Round extends LoadResult {
  readonly cpuOut: number
  readonly cpuIn: number
}

/** A subject with its proxies up. It stays in the run until `failure`. */
interface Contestant {
  readonly subject: Subject
  readonly running: Running
  readonly rounds: Round[]
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
  const { signal, note, profileFolder } = options
  const noLoad = scenario.available()
  if (noLoad !== undefined) {
    return { app: 'none', outcomes: subjects.map(({ name }) => missing(name, noLoad, false)) }
  }
  await using ends = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'outrider-bench-'))
  ends.defer(() => rmSync(folder, { recursive: true, force: true }))
  const certificates = await makeCertificates(join(folder, 'certificates'), signal)
  const app = await startApp(folder)
  ends.defer(() => app.child.stop())
  await answers(`http://127.0.0.1:${app.port}/x`, scenario.host, () => app.child.crash, signal)

  const entered: (Contestant | Missing)[] = []
  for (const subject of subjects) {
    const own = join(folder, subject.name)
    mkdirSync(own)
    const environment = { folder: own, certificates, appPort: app.port, signal, profileFolder }
    entered.push(await enter(subject, environment, scenario, ends, note))
  }
  const contestants = entered.filter((entry) => 'running' in entry)
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const contestant of contestants) {
      if (contestant.failure !== undefined) continue
      await measureRound(scenario, contestant, options)
      const rps = contestant.rounds.at(-1)?.rps ?? 0
      note(
        `round ${round}/${options.rounds}  ${contestant.subject.name}  ${contestant.failure ?? `${Math.round(rps)} requests/s`}`,
      )
    }
  }
  return { app: app.kind, outcomes: entered.map((entry) => ('running' in entry ? summarise(entry) : entry)) }
}

function missing(subject: string, why: string, broken: boolean): Missing {
  return { kind: 'missing', subject, why, broken }
}

/** Brings a subject up and waits for its first right answer. What it starts is put on `ends`. */
async function enter(
  subject: Subject,
  environment: Environment,
  scenario: Scenario,
  ends: AsyncDisposableStack,
  note: (text: string) => void,
): Promise<Contestant | Missing> {
  const why = subject.available()
  if (why !== undefined) return missing(subject.name, why, false)
  try {
    const running = await subject.start(environment)
    ends.defer(() => running.stop())
    await answers(running.outUrl, scenario.host, () => running.crash(), environment.signal)
    return { subject, running, rounds: [], failure: undefined }
  } catch (error) {
    environment.signal.throwIfAborted()
    const [reason = '', ...details] = messageOf(error).split('\n')
    for (const line of details) note(`${subject.name}: ${line.trim()}`)
    return missing(subject.name, `did not start: ${reason}`, true)
  }
}

/** What went wrong, without the place of this checkout: reports are published. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(`${packageRoot}/`, '')
}

/** One warm-up and one measured window; adds to the contestant's rounds, or sets its failure. */
async function measureRound(scenario: Scenario, contestant: Contestant, options: RoundOptions): Promise<void> {
  const { connections, seconds, signal } = options
  const { outUrl, outPids, inPids, crash } = contestant.running
  const load = { url: outUrl, host: scenario.host, connections, signal }
  try {
    await scenario.load({ ...load, seconds: WARM_UP_S })
    const outBefore = cpuMicroseconds(outPids)
    const inBefore = cpuMicroseconds(inPids)
    const result = await scenario.load({ ...load, seconds })
    const cpuOut = (cpuMicroseconds(outPids) - outBefore) / result.requests
    const cpuIn = (cpuMicroseconds(inPids) - inBefore) / result.requests
    if (result.requests === 0) throw new Error('no request was answered')
    contestant.rounds.push({ ...result, cpuOut, cpuIn })
  } catch (error) {
    signal.throwIfAborted()
    contestant.failure = crash() ?? messageOf(error)
  }
}

function summarise({ subject, running, rounds, failure }: Contestant): Outcome {
  if (failure !== undefined) return missing(subject.name, `failed under load: ${failure.split('\n')[0]}`, true)
  const median = (pick: (round: Round) => number): number => {
    const sorted = rounds.map(pick).toSorted((a, b) => a - b)
    const middle = sorted.length >> 1
    const upper = sorted[middle] ?? Number.NaN
    return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
  }
  const sum = (pick: (round: Round) => number): number => rounds.reduce((total, round) => total + pick(round), 0)
  const both = rounds.map((round) => round.cpuOut + round.cpuIn)
  return {
    kind: 'measured',
    subject: subject.name,
    version: subject.version(),
    rps: median((round) => round.rps),
    cpuUsPerRequestOut: median((round) => round.cpuOut),
    cpuUsPerRequestIn: median((round) => round.cpuIn),
    cpuUsPerRequestRange: [Math.min(...both), Math.max(...both)],
    p50Ms: median((round) => round.p50Ms),
    p99Ms: median((round) => round.p99Ms),
    rssMb: peakRssMb([...running.outPids, ...running.inPids]),
    requests: sum((round) => round.requests),
    errors: sum((round) => round.errors),
  }
}

/** Waits until the whole way answers as it should: status 200 and the application's body to the byte. */
async function answers(url: string, host: string, crash: () => string | undefined, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_DEADLINE_MS
  for (;;) {
    const answer = await ask(url, host).catch((error: unknown) => String(error))
    if (answer === `200 ${BODY}`) return
    const why = crash() ?? (performance.now() > deadline ? `no right answer, at last: ${answer}` : undefined)
    if (why !== undefined) throw new Error(why)
    await delay(50, undefined, { signal })
  }
}

async function ask(url: string, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { headers: { host }, agent: false, signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) } as const
    request(url, options, (response) => {
      response
        .setEncoding('latin1')
        .toArray()
        .then((parts) => resolve(`${response.statusCode} ${parts.join('')}`), reject)
    })
      .on('error', reject)
      .end()
  })
}
