import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { versionOf } from './executables.ts'
import { barTable, subjectTable, type Table } from './report.ts'
import type { Outcome } from './rounds.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { columns } from './text-table.ts'

export interface RunFacts {
  readonly scenario: Scenario
  readonly outcomes: readonly Outcome[]
  /** What the application is made of. */
  readonly app: string
  readonly seconds: number
  readonly connections: number
  readonly rounds: number
  /** What was typed after `npm run bench --`. */
  readonly words: readonly string[]
  readonly day: string
}

const INTRODUCTION = `# Performance

<!-- Written by \`npm run bench -- SCENARIO --write\`: change bench/page.ts and
     bench/where-the-time-goes.md, not this page. -->

- **CPU** is the figure to compare: user and system time of the proxy processes, outbound and inbound, for one request or
  one megabyte. Load generator and application are not in it. The figure that subjects are compared by is followed by its
  lowest and highest round, and by Outrider's divided by this subject's.
- **Rates and latencies** share the processors with the load generator, the application and both proxies: on a small
  machine they say which pair starves last, not what a proxy can do on its own core.
- **RSS** is the peak of both proxies together; pages that a master shares with its worker count twice.
- Outrider verifies SPIFFE identities, decides by 100 authorization rules, checks a rate limit and counts metrics. The
  peers verify the certificate chain and the server's name, and forward.

How it is measured and how to read it: [bench/README.md](../bench/README.md).
`

const opening = (scenario: Scenario): string => `<!-- ${scenario.name} -->\n\n`
const closing = (scenario: Scenario): string => `\n<!-- end of ${scenario.name} -->\n`

/**
 * docs/performance.md with the section of this run's scenario written anew. The sections of the other `scenarios` are
 * kept as they stand in `present`; what is written by hand comes last.
 */
export function performancePage(facts: RunFacts, scenarios: readonly Scenario[], present: string): string {
  const sections = scenarios.map((scenario) => {
    if (scenario.name === facts.scenario.name) return `${opening(scenario)}${section(facts)}${closing(scenario)}`
    const start = present.indexOf(opening(scenario))
    const end = present.indexOf(closing(scenario))
    return start === -1 || end === -1 ? '' : present.slice(start, end + closing(scenario).length)
  })
  const notes = readFileSync(new URL('where-the-time-goes.md', import.meta.url), 'utf8')
  return [INTRODUCTION, ...sections.filter((text) => text !== ''), notes].join('\n')
}

function section(facts: RunFacts): string {
  const { scenario, outcomes, app, seconds, connections, rounds, words, day } = facts
  const missing = outcomes.flatMap((outcome) =>
    outcome.kind === 'missing' ? [`${outcome.subject}: ${outcome.why}`] : [],
  )
  const versions = outcomes.flatMap((outcome) => (outcome.kind === 'measured' ? [outcome.version] : []))
  const gib = (totalmem() / 2 ** 30).toFixed(1)
  const openssl = versionOf('openssl', ['version'], /(OpenSSL [\w.]+)/)
  const bars = barTable(scenario, outcomes)
  const lines = [
    `## ${scenario.name}`,
    '',
    scenario.question,
    '',
    ...markdownTable(subjectTable(scenario, outcomes)),
    '',
    ...(bars.rows.length > 0 ? [...markdownTable(bars), ''] : []),
    ...(missing.length > 0 ? ['Not measured:', '', ...missing.map((line) => `- ${line}`), ''] : []),
    'How:',
    '',
    `- Command: \`${['npm run bench --', ...words].join(' ')}\`, ${day}`,
    `- Machine: ${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${gib} GiB, Linux ${release().split('-')[0]}`,
    `- Load: ${scenario.load()}; connections: ${connections}; the application is ${app}`,
    `- Rounds: ${rounds} of ${seconds} s for each subject, in turn; medians`,
    `- Versions: ${[...new Set(versions)].join(', ')}; ${openssl} under the native peers (Envoy brings BoringSSL), OpenSSL ${process.versions.openssl} in Node`,
  ]
  return `${lines.join('\n')}\n`
}

function markdownTable({ head, rows }: Table): string[] {
  const [padded = [], ...body] = columns(head, rows)
  const rule = padded.map(({ length }, column) => (column === 0 ? '-'.repeat(length) : `${'-'.repeat(length - 1)}:`))
  return [padded, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`)
}
