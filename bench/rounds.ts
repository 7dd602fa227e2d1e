import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BODY, startApp } from './app.ts'
import { makeCertificates } from './certificates.ts'
import type { LoadResult } from './load.ts'
import { cpuMicroseconds, peakRssMb } from './measure.ts'
import type { Scenario } from './scenarios/scenario.ts'
import type { Running, Subject } from './subjects/subject.ts'

/** Fills connection pools and lets compilers settle before each measured window. */
const WARM_UP_S = 1
const READY_DEADLINE_MS = 15_000
const ANSWER_DEADLINE_MS = 2000

export interface RoundOptions {
  readonly seconds: number
  readonly connections: number
  readonly rounds: number
  readonly signal: AbortSignal
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

interface Contestant {
  readonly subject: Subject
  readonly running: Running
  readonly rounds: Round[]
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
  const { signal, note } = options
  const noLoad = scenario.available()
  if (noLoad !== undefined) {
    return { app: 'none', outcomes: subjects.map(({ name }) => missing(name, noLoad, false)) }
  }
  const folder = mkdtempSync(join(tmpdir(), 'outrider-bench-'))
  const ends: (() => Promise<void>)[] = []
  try {
    const certificates = await makeCertificates(join(folder, 'certificates'), signal)
    const app = await startApp(folder)
    ends.push(() => app.child.stop())
    await answers(`http://127.0.0.1:${app.port}/x`, scenario.host, () => app.child.crash, signal)

    const outcomes = new Map<Subject, Outcome>()
    const contestants: Contestant[] = []
    for (const subject of subjects) {
      const why = subject.available()
      if (why !== undefined) {
        outcomes.set(subject, missing(subject.name, why, false))
        continue
      }
      const own = join(folder, subject.name)
      mkdirSync(own)
      try {
        const running = await subject.start({ folder: own, certificates, appPort: app.port, signal })
        ends.push(() => running.stop())
        await answers(running.outUrl, scenario.host, () => running.crash(), signal)
        contestants.push({ subject, running, rounds: [] })
      } catch (error) {
        signal.throwIfAborted()
        const [reason = '', ...details] = (error instanceof Error ? error.message : String(error)).split('\n')
        for (const line of details) note(`${subject.name}: ${line.trim()}`)
        outcomes.set(subject, missing(subject.name, `did not start: ${reason}`, true))
      }
    }
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const { subject, running, rounds } of contestants) {
        const result = await measureRound(scenario, running, options)
        rounds.push(result)
        note(`round ${round}/${options.rounds}  ${subject.name}  ${Math.round(result.rps)} requests/s`)
      }
    }
    for (const contestant of contestants) outcomes.set(contestant.subject, summarise(contestant))
    return { app: app.kind, outcomes: subjects.flatMap((subject) => outcomes.get(subject) ?? []) }
  } finally {
    await Promise.all(ends.map((end) => end()))
    rmSync(folder, { recursive: true, force: true })
  }
}

function missing(subject: string, why: string, broken: boolean): Missing {
  return { kind: 'missing', subject, why, broken }
}

async function measureRound(scenario: Scenario, running: Running, options: RoundOptions): Promise<Round> {
  const { connections, seconds, signal } = options
  const load = { url: running.outUrl, host: scenario.host, connections, signal }
  await scenario.load({ ...load, seconds: WARM_UP_S })
  const outBefore = cpuMicroseconds(running.outPids)
  const inBefore = cpuMicroseconds(running.inPids)
  const result = await scenario.load({ ...load, seconds })
  const cpuOut = (cpuMicroseconds(running.outPids) - outBefore) / result.requests
  const cpuIn = (cpuMicroseconds(running.inPids) - inBefore) / result.requests
  return { ...result, cpuOut, cpuIn }
}

function summarise({ subject, running, rounds }: Contestant): Measured {
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
