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

/** Lines of a report that say what failed and where. */
const diagnosis =
  /^ *(not ok|---|\.\.\.|Bail out)|^ {2,}(at|compare|diff|found|wanted|message|error|stack|source|code|signal|exitCode|failure|timeout|seed|\+|-|@@|[a-zA-Z]+:)/

process.exitCode = await runSuite(process.argv.slice(2))

/** Runs what the command line names; gives the exit code. */
async function runSuite([name = 'unit', ...args]: readonly string[]): Promise<number> {
  const suite = suites[name]
  if (suite === undefined) {
    console.error(`test/run.ts: no suite "${name}"; there are ${Object.keys(suites).join(', ')}`)
    return 2
  }
  const { environment, wanted } = readArguments(args)
  const files = suite.folders
    .flatMap((folder) => globSync(`test/${folder}/**/*.test.ts`, { cwd: root }))
    .filter((file) => wanted.length === 0 || wanted.some((word) => file.includes(word)))
    .toSorted()
  if (files.length === 0) {
    console.error(`test/run.ts: suite ${name} has no test file${wanted.length > 0 ? ` with ${wanted.join(', ')}` : ''}`)
    return 2
  }
  if (!existsSync(join(root, '.tap', 'plugins', 'package.json'))) {
    // Once after an install: tap builds its test class out of the plug-ins that .taprc names.
    const built = await exitOf(run(['build'], 'inherit'))
    if (built !== 0) return built
  }
  const options = ['--reporter=tap', `--timeout=${suite.timeoutS}`, `--jobs=${suite.jobs}`]
  const child = run(['run', ...options, ...files], 'pipe', environment)
  const { passed, failed } = await report(child)
  const code = await exitOf(child)
  console.log(`${passed} passed, ${code !== 0 && failed === 0 ? 1 : failed} failed`)
  return code
}

/** Options become environment for the test files (`--seconds 30` is FUZZ_SECONDS=30); other words choose files. */
function readArguments(args: readonly string[]): { environment: Record<string, string>; wanted: string[] } {
  const environment: Record<string, string> = {}
  const wanted: string[] = []
  for (let index = 0; index < args.length; index += 1) {
    const word = args[index] ?? ''
    if (word.startsWith('--')) environment[`FUZZ_${word.slice(2).toUpperCase()}`] = args[++index] ?? ''
    else wanted.push(word)
  }
  return { environment, wanted }
}

/** Prints a line for each file, what failed in it, and what its tests have to say; counts the assertions. */
async function report(child: ChildProcess): Promise<{ passed: number; failed: number }> {
  let passed = 0
  let failed = 0
  let fileName = ''
  for await (const line of createInterface({ input: child.stdout! })) {
    const subtest = /^# Subtest: (.*)/.exec(line)
    if (subtest !== null) fileName = subtest[1] ?? ''
    const assertion = /^ +(ok|not ok) \d+/.exec(line)
    // Parents repeat the result of their children: only lines without a nested plan are assertions of their own.
    if (assertion !== null && !line.trimEnd().endsWith('{') && !/# time=/.test(line)) {
      if (assertion[1] === 'ok') passed += 1
      else failed += 1
    }
    const ended = /^(ok|not ok) \d+ - (\S+)/.exec(line)
    const comment = /^ +# (?!Subtest: |time=|\{)(.*)/.exec(line) ?? /^ *((?:seed|note:).*)/.exec(line)
    if (ended !== null) console.log(`${ended[1] === 'ok' ? 'ok    ' : 'FAILED'} ${ended[2]}`)
    else if (comment !== null) console.log(comment[1])
    else if (diagnosis.test(line)) console.log(`${fileName}: ${line}`)
  }
  return { passed, failed }
}

function run(
  words: readonly string[],
  stdout: 'inherit' | 'pipe',
  environment: Readonly<Record<string, string>> = {},
): ChildProcess {
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
