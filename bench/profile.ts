// node bench/profile.ts FOLDER|FILE... [--top n] [--skip s]: where the time of `npm run bench -- ... --profile FOLDER` went.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { packageRoot } from '../src/lib/package-root.ts'
import { textTable } from './text-table.ts'

interface CallFrame {
  readonly functionName: string
  readonly url: string
  /** Counted from 0. */
  readonly lineNumber: number
}

/** What V8 writes: the call tree, and for each sample the node that was on top and the microseconds since the last. */
interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Self time in microseconds of each key, highest first. */
type SelfTimes = Map<string, number>

/** Names that V8 gives to time outside of JavaScript functions. */
const OUTSIDE: Readonly<Record<string, string>> = {
  '(program)': '(program): kernel, OpenSSL, libuv',
  '(garbage collector)': '(garbage collector)',
}

function groupOf({ functionName, url }: CallFrame): string {
  if (url.startsWith('node:')) return 'node internals'
  if (url === '') return OUTSIDE[functionName] ?? 'native functions'
  const path = fileURLToPath(url)
  const dependency = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]
  return dependency ?? path.replace(`${packageRoot}/`, '')
}

function placeOf({ url, lineNumber }: CallFrame): string {
  if (url === '') return ''
  const path = url.startsWith('file:') ? fileURLToPath(url).replace(`${packageRoot}/`, '') : url
  return `${path}:${lineNumber + 1}`
}

function read(file: string): CpuProfile {
  const profile: CpuProfile = JSON.parse(readFileSync(file, 'utf8'))
  return profile
}

function add(times: SelfTimes, key: string, microseconds: number): void {
  times.set(key, (times.get(key) ?? 0) + microseconds)
}

/** The parts of a table with the `top` highest rows of `times`. */
function ranking(head: readonly string[], times: SelfTimes, totalUs: number, top: number): string {
  const rows = [...times]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, top)
    .map(([key, us]) => [...key.split('\t'), (us / 1000).toFixed(0), ((us / totalUs) * 100).toFixed(1)])
  return textTable([...head, 'self, ms', '%'], rows, head.length)
}

function report(name: string, files: readonly string[], top: number, skipUs: number): string {
  const functions: SelfTimes = new Map()
  const groups: SelfTimes = new Map()
  let totalUs = 0
  let idleUs = 0
  for (const file of files) {
    const { nodes, samples, timeDeltas } = read(file)
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
    let elapsedUs = 0
    for (const [index, id] of samples.entries()) {
      const us = timeDeltas[index] ?? 0
      const frame = frames.get(id)
      elapsedUs += us
      if (elapsedUs < skipUs || frame === undefined) continue
      if (frame.functionName === '(idle)') {
        idleUs += us
        continue
      }
      totalUs += us
      add(groups, groupOf(frame), us)
      add(functions, `${frame.functionName || '(anonymous)'}\t${placeOf(frame)}`, us)
    }
  }
  const busy = `busy ${(totalUs / 1e6).toFixed(1)} s, idle ${(idleUs / 1e6).toFixed(1)} s, threads: ${files.length}`
  return [
    `${name}: ${busy}\n`,
    ranking(['group'], groups, totalUs, top),
    ranking(['function', 'place'], functions, totalUs, top),
  ].join('\n')
}

function profilesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => join(folder, name))
}

/** What is reported together: a file, the files of a folder, or each of a folder's folders (one for each sidecar). */
function reportsIn(path: string): { name: string; files: string[] }[] {
  if (statSync(path).isFile()) return [{ name: path, files: [path] }]
  const folders = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return [path, ...folders.map(({ name }) => join(path, name))]
    .map((name) => ({ name, files: profilesIn(name) }))
    .filter(({ files }) => files.length > 0)
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { top: { type: 'string', default: '30' }, skip: { type: 'string', default: '2' } },
})
const reports = positionals.flatMap(reportsIn)
if (reports.length === 0) {
  console.error('usage: node bench/profile.ts FOLDER|FILE.cpuprofile... [--top 30] [--skip 2]')
  process.exitCode = 2
}
for (const { name, files } of reports) {
  console.log(report(name, files, Number(values.top), Number(values.skip) * 1e6))
}
