import { cpus, release, totalmem } from 'node:os'
import { versionOf } from './executables.ts'
import type { Measured, Outcome } from './rounds.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { columns, textTable } from './text-table.ts'

/** The subject that the others are compared with. */
const YARDSTICK = 'haproxy-h1'

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

/** One JSON object a line, for programs. */
export function jsonLines(scenario: Scenario, outcomes: readonly Outcome[]): string {
  const lines = outcomes.map((outcome) => {
    const head = { scenario: scenario.name, subject: outcome.subject }
    if (outcome.kind === 'missing') return { ...head, missing: outcome.why }
    return {
      ...head,
      rps: round(outcome.rps, 0),
      cpuUsPerRequestOut: round(outcome.cpuUsPerRequestOut, 1),
      cpuUsPerRequestIn: round(outcome.cpuUsPerRequestIn, 1),
      p50Ms: round(outcome.p50Ms, 3),
      p99Ms: round(outcome.p99Ms, 3),
      rssMb: round(outcome.rssMb, 1),
      requests: outcome.requests,
      errors: outcome.errors,
    }
  })
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

const HEAD: readonly string[] = [
  'subject',
  'requests/s',
  'CPU out, us',
  'CPU in, us',
  'out + in (rounds)',
  `CPU : ${YARDSTICK}`,
  'p50, ms',
  'p99, ms',
  'RSS, MB',
  'errors',
]

const cpu = (outcome: Measured): number => outcome.cpuUsPerRequestOut + outcome.cpuUsPerRequestIn

function rows(outcomes: readonly Outcome[]): string[][] {
  const measured = outcomes.filter((outcome) => outcome.kind === 'measured')
  const yardstick = measured.find((outcome) => outcome.subject === YARDSTICK)
  return measured.map((outcome) => [
    outcome.subject,
    outcome.rps.toFixed(0),
    outcome.cpuUsPerRequestOut.toFixed(1),
    outcome.cpuUsPerRequestIn.toFixed(1),
    `${cpu(outcome).toFixed(1)} (${outcome.cpuUsPerRequestRange.map((end) => end.toFixed(1)).join('-')})`,
    yardstick === undefined ? '-' : (cpu(outcome) / cpu(yardstick)).toFixed(2),
    outcome.p50Ms.toFixed(2),
    outcome.p99Ms.toFixed(2),
    outcome.rssMb.toFixed(0),
    String(outcome.errors),
  ])
}

function missingLines(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap((outcome) => (outcome.kind === 'missing' ? [`${outcome.subject}: ${outcome.why}`] : []))
}

/** The table for a person at a terminal. */
export function table(outcomes: readonly Outcome[]): string {
  return textTable(HEAD, rows(outcomes))
}

export interface RunFacts {
  readonly scenario: Scenario
  readonly outcomes: readonly Outcome[]
  readonly app: string
  readonly seconds: number
  readonly connections: number
  readonly rounds: number
  /** What was typed after `npm run bench --`. */
  readonly words: readonly string[]
  readonly day: string
}

const INTRODUCTION = `# Performance

<!-- Written by \`npm run bench -- SCENARIO --write\`: change bench/report.ts, not this page. -->

- **CPU** is the figure to compare: user and system microseconds of the proxy process for one request, outbound and
  inbound. "out + in" is followed by its lowest and highest round. Load generator and application are not in it.
- **requests/s, p50, p99** share the processors with the load generator, the application and both proxies: on a small
  machine they say which pair starves last, not what a proxy can do on its own core.
- **RSS** is the peak of both proxies together; pages that an nginx master shares with its worker count twice.
- Outrider verifies SPIFFE identities, decides by 100 authorization rules, checks a rate limit and counts metrics. The
  peers verify the certificate chain and the server's name, and forward.

How it is measured and how to read it: [bench/README.md](../bench/README.md).
`

const opening = (scenario: Scenario): string => `<!-- ${scenario.name} -->\n\n`
const closing = (scenario: Scenario): string => `\n<!-- end of ${scenario.name} -->\n`

/**
 * docs/performance.md with the section of this run's scenario written anew. The sections of the other `scenarios` are
 * kept as they stand in `present`.
 */
export function performancePage(facts: RunFacts, scenarios: readonly Scenario[], present: string): string {
  const sections = scenarios.map((scenario) => {
    if (scenario.name === facts.scenario.name) return `${opening(scenario)}${section(facts)}${closing(scenario)}`
    const start = present.indexOf(opening(scenario))
    const end = present.indexOf(closing(scenario))
    return start === -1 || end === -1 ? '' : present.slice(start, end + closing(scenario).length)
  })
  return [INTRODUCTION, ...sections.filter((text) => text !== '')].join('\n')
}

function section(facts: RunFacts): string {
  const { scenario, outcomes, app, seconds, connections, rounds, words, day } = facts
  const [head = [], ...body] = columns(HEAD, rows(outcomes))
  const rule = head.map((cell, column) => (column === 0 ? '-'.repeat(cell.length) : `${'-'.repeat(cell.length - 1)}:`))
  const missing = missingLines(outcomes)
  const versions = outcomes.flatMap((outcome) => (outcome.kind === 'measured' ? [outcome.version] : []))
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${round(totalmem() / 2 ** 30, 1)} GiB`
  const wrk = versionOf('wrk', ['-v'], /wrk (?:debian\/)?([\w.]+)/)
  const openssl = versionOf('openssl', ['version'], /(OpenSSL [\w.]+)/)
  const lines = [
    `## ${scenario.name}`,
    '',
    scenario.question,
    '',
    ...[head, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`),
    '',
    ...(missing.length > 0 ? ['Not measured:', '', ...missing.map((line) => `- ${line}`), ''] : []),
    'How:',
    '',
    `- Command: \`${['npm run bench --', ...words].join(' ')}\`, ${day}`,
    `- Machine: ${machine}, Linux ${release().split('-')[0]}`,
    `- Load: wrk ${wrk}, one thread, connections: ${connections}; the application is ${app}`,
    `- Rounds: ${rounds} of ${seconds} s for each subject, in turn; medians`,
    `- Versions: ${[...new Set(versions)].join(', ')}; ${openssl} under the native peers, OpenSSL ${process.versions.openssl} in Node`,
  ]
  return `${lines.join('\n')}\n`
}
