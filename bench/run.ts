// npm run bench -- <scenario> [options]: see bench/README.md.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../src/lib/package-root.ts'
import { performancePage } from './page.ts'
import { jsonLines, text } from './report.ts'
import { measure } from './rounds.ts'
import { compile } from './scenarios/compile.ts'
import { connections } from './scenarios/connections.ts'
import { decide } from './scenarios/decide.ts'
import { grpc } from './scenarios/grpc.ts'
import { handshake } from './scenarios/handshake.ts'
import { image } from './scenarios/image.ts'
import { latency } from './scenarios/latency.ts'
import { mesh, meshManyConnections, meshOneConnection } from './scenarios/mesh.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { sign } from './scenarios/sign.ts'
import { webhook } from './scenarios/webhook.ts'
import { stream } from './scenarios/stream.ts'
import { download, upload } from './scenarios/transfer.ts'

const scenarios: readonly Scenario[] = [
  mesh,
  meshOneConnection,
  meshManyConnections,
  grpc,
  download,
  upload,
  connections,
  handshake,
  latency,
  sign,
  webhook,
  image,
  decide,
  compile,
  stream,
]
const names = new Set(scenarios.flatMap(({ subjects }) => subjects.map(({ name }) => name)))

/** For one subject: starting, and what a round of any scenario takes beside its window. Twice that is a hang. */
const START_S = 20
const ROUND_S = 60

const PAGE = join(packageRoot, 'docs', 'performance.md')

const usage = `usage: npm run bench -- <scenario>|all [options]

scenarios
${scenarios.map(({ name, question }) => `  ${name.padEnd(12)}${question}`).join('\n')}

options
  --peers a,b      only these subjects: ${[...names].join(', ')}
  --seconds n      length of a measured round (default 4)
  --connections n  connections of the load generator (default: the scenario's)
  --rounds n       rounds for each subject (default: the scenario's, mostly 3)
  --json           one JSON object a subject and line
  --profile dir    CPU profiles of Outrider's sidecars, for bench/profile.ts; costs speed, so nothing is written
  --write          rewrite the scenario's section of docs/performance.md
`

class UsageError extends Error {}

function count(option: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 10_000)
    throw new UsageError(`--${option}: 1 to 10000, not ${text}`)
  return value
}

function parse(words: readonly string[]): {
  values: {
    peers?: string
    seconds?: string
    connections?: string
    rounds?: string
    profile?: string
    json: boolean
    write: boolean
  }
  positionals: string[]
} {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        peers: { type: 'string' },
        seconds: { type: 'string' },
        connections: { type: 'string' },
        rounds: { type: 'string' },
        profile: { type: 'string' },
        json: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const note = (text: string): void => console.error(text)

async function main(words: readonly string[], interrupted: AbortSignal): Promise<number> {
  const { values, positionals } = parse(words)
  const [wantedScenario, ...surplus] = positionals
  const chosen = scenarios.filter(({ name }) => wantedScenario === 'all' || name === wantedScenario)
  if (chosen.length === 0 || surplus.length > 0)
    throw new UsageError(`name one scenario, not ${positionals.join(' ') || 'none'}`)
  if (chosen.length > 1 && values.connections !== undefined)
    throw new UsageError('--connections: of one scenario only, they differ too much')
  const peers = values.peers?.split(',') ?? [...names]
  for (const peer of peers) if (!names.has(peer)) throw new UsageError(`no subject ${peer}`)
  const profileFolder = values.profile === undefined ? undefined : resolve(values.profile)
  if (profileFolder !== undefined && values.write) throw new UsageError('--profile: not together with --write')

  let broken = false
  for (const scenario of chosen) {
    const seconds = count('seconds', values.seconds, 4)
    const connections = count('connections', values.connections, scenario.connections)
    const rounds = count('rounds', values.rounds, scenario.rounds)
    const subjects = scenario.subjects.filter(({ name }) => peers.includes(name))
    if (subjects.length === 0) note(`${scenario.name}: ${peers.join(', ')} does not take part`)

    const boundMs = subjects.length * (START_S + rounds * (seconds + ROUND_S)) * 1000 * 2
    const signal = AbortSignal.any([interrupted, AbortSignal.timeout(boundMs)])
    const options = { seconds, connections, rounds, signal, profileFolder, note }
    const { outcomes, app } = await measure(scenario, subjects, options)

    for (const outcome of outcomes) if (outcome.kind === 'missing') note(`${outcome.subject}: ${outcome.why}`)
    process.stdout.write(values.json ? jsonLines(scenario, outcomes) : text(scenario, outcomes))
    if (values.write) {
      const day = new Date().toISOString().slice(0, 10)
      const facts = { scenario, outcomes, app, seconds, connections, rounds, words, day }
      const present = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : ''
      writeFileSync(PAGE, performancePage(facts, scenarios, present))
    }
    broken ||= outcomes.some((outcome) => outcome.kind === 'missing' && outcome.broken)
  }
  return broken ? 1 : 0
}

const interrupt = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort(new Error(name)))

try {
  process.exitCode = await main(process.argv.slice(2), interrupt.signal)
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`bench: ${error.message}\n\n${usage}`)
    process.exitCode = 2
  } else {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = interrupt.signal.aborted ? 130 : 1
  }
}
