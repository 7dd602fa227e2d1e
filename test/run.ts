// Runs one suite with tap and ends with the plain line "N passed, N failed".
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const tap = join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs')

const suites: Readonly<Record<string, { folders: readonly string[]; timeoutS: number; jobs: number }>> = {
  unit: { folders: ['unit', 'path', 'vectors', 'issue', 'claims'], timeoutS: 60, jobs: 2 },
  conformance: { folders: ['conformance'], timeoutS: 120, jobs: 2 },
  system: { folders: ['system'], timeoutS: 600, jobs: 1 },
  fuzz: { folders: ['fuzz'], timeoutS: 3600, jobs: 1 },
}

const [name = 'unit', ...args] = process.argv.slice(2)
const suite = suites[name]
if (suite === undefined) {
  console.error(`test/run.ts: no suite "${name}"; there are ${Object.keys(suites).join(', ')}`)
  process.exit(2)
}

/** Options become environment for the test files (`--seconds 30` is FUZZ_SECONDS=30); other words choose files. */
const environment: Record<string, string> = {}
const wanted: string[] = []
for (let index = 0; index < args.length; index += 1) {
  const word = args[index] ?? ''
  if (word.startsWith('--')) environment[`FUZZ_${word.slice(2).toUpperCase()}`] = args[++index] ?? ''
  else wanted.push(word)
}

const files = suite.folders
  .flatMap((folder) => globSync(`test/${folder}/**/*.test.ts`, { cwd: root }))
  .filter((file) => wanted.length === 0 || wanted.some((word) => file.includes(word)))
  .toSorted()
if (files.length === 0) {
  console.error(`test/run.ts: suite ${name} has no test file${wanted.length > 0 ? ` with ${wanted.join(', ')}` : ''}`)
  process.exit(2)
}

function run(words: readonly string[], stdout: 'inherit' | 'pipe'): ChildProcess {
  return spawn(process.execPath, [tap, ...words], {
    cwd: root,
    stdio: ['ignore', stdout, 'inherit'],
    env: { ...process.env, ...environment },
  })
}

async function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
}

if (!existsSync(join(root, '.tap', 'plugins', 'package.json'))) {
  // Once after an install: tap builds its test class out of the plug-ins that .taprc names.
  const built = await exitOf(run(['build'], 'inherit'))
  if (built !== 0) process.exit(built)
}

let passed = 0
let failed = 0
let fileName = ''
const child = run(['run', '--reporter=tap', `--timeout=${suite.timeoutS}`, `--jobs=${suite.jobs}`, ...files], 'pipe')
for await (const line of createInterface({ input: child.stdout! })) {
  const subtest = /^# Subtest: (.*)/.exec(line)
  if (subtest !== null) fileName = subtest[1] ?? ''
  const assertion = /^ +(ok|not ok) \d+/.exec(line)
  // Parents repeat the result of their children: only lines without a nested plan are assertions of their own.
  if (assertion !== null && !line.trimEnd().endsWith('{') && !/# time=/.test(line)) {
    if (assertion[1] === 'ok') passed += 1
    else failed += 1
  }
  const ended = /^(ok|not ok) \d+ - (\S+).*?(?:# time=([\d.]+)ms)?/.exec(line)
  if (ended !== null) console.log(`${ended[1] === 'ok' ? 'ok    ' : 'FAILED'} ${ended[2]}`)
  else if (
    /^ *(not ok|---|\.\.\.|Bail out)/.test(line) ||
    /^ {2,}(at|compare|diff|found|wanted|message|error|stack|source|code|signal|exitCode|failure|timeout|seed|\+|-|@@|[a-zA-Z]+:)/.test(
      line,
    )
  )
    console.log(`${fileName}: ${line}`)
  else if (line.startsWith('seed') || line.startsWith('note:')) console.log(line)
}
const code = await exitOf(child)
if (code !== 0 && failed === 0) failed = 1
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = code
