import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/lib/package-root.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { resource } from '../fixtures/mesh.ts'
import { launcher, runProgram, startProgram, temporaryFolder } from '../fixtures/process.ts'

checkLeaks(t)

const modules = join(packageRoot, 'node_modules')
const version = /^outrider \d+\.\d+\.\d+ \(node v24\.\d+\.\d+\)\n$/

t.test('the built package runs without its sources', async (t) => {
  const home = temporaryFolder(t)
  for (const name of ['src', 'tsconfig.json', 'tsconfig.build.json', 'package.json', 'bin', 'proto']) {
    cpSync(join(packageRoot, name), join(home, 'build', name), { recursive: true })
  }
  symlinkSync(modules, join(home, 'build', 'node_modules'))
  const tsc = join(modules, '.bin', 'tsc')
  const built = await runProgram(t, tsc, ['-p', 'tsconfig.build.json'], { cwd: join(home, 'build') })
  t.equal(built.code, 0, built.stdout + built.stderr)

  const place = join(home, 'package')
  mkdirSync(place)
  for (const name of ['dist', 'bin', 'proto', 'package.json']) {
    cpSync(join(home, 'build', name), join(place, name), { recursive: true })
  }
  symlinkSync(modules, join(place, 'node_modules'))
  const run = [join(place, 'bin', 'outrider')]
  const help = await runProgram(t, process.execPath, [...run, '--help'])
  t.match(help, { code: 0, stdout: /^Usage: outrider COMMAND/, stderr: '' })
  t.match(await runProgram(t, process.execPath, [...run, 'version']), { code: 0, stdout: version })

  const flags = ['--data', join(home, 'data'), '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0']
  const control = startProgram(t, process.execPath, [...run, 'control', ...flags])
  const { adminSocket, grpc } = JSON.parse(await control.line(/"ready":"control"/))
  const status = await runProgram(t, process.execPath, [...run, 'status', '--socket', adminSocket])
  t.match(status, { code: 0, stdout: /^control server 127\.0\.0\.1:/ })

  const workload = resource('Workload', 'api', { spiffeId: 'spiffe://outrider.local/api' })
  const admin = ['--socket', adminSocket]
  const applied = await runProgram(t, process.execPath, [...run, 'apply', '-f', '-', ...admin], { input: workload })
  t.equal(applied.code, 0, applied.stderr)
  const token = await runProgram(t, process.execPath, [
    ...run,
    'token',
    'create',
    '--workload',
    'default/api',
    ...admin,
  ])
  const listeners = ['--control-address', grpc, '--outbound', '127.0.0.1:0', '--admin', '127.0.0.1:0']
  const sidecar = startProgram(t, process.execPath, [...run, 'sidecar', ...listeners, '--workers', '2'], {
    env: { OUTRIDER_JOIN_TOKEN: token.stdout.trim() },
  })
  t.match(await sidecar.line(/sidecar ready/), /"workers":2/)
  t.match(await sidecar.stop(), { code: 0, signal: null })
  t.match(await control.stop(), { code: 0, signal: null })
})

/** Nodes in PATH that are not those of npm, with their major version. */
async function otherNodes(t: Parameters<typeof runProgram>[0]): Promise<{ node: string; major: number }[]> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
  const found = []
  for (const node of new Set(folders.map((folder) => join(folder, 'node')))) {
    if (!existsSync(node)) continue
    const { stdout } = await runProgram(t, node, ['-p', 'process.versions.node.split(".")[0]'])
    found.push({ node, major: Number(stdout) })
  }
  return found
}

t.test('an older Node starts the one that npm brought', async (t) => {
  const older = (await otherNodes(t)).filter(({ major }) => major < 24)
  if (older.length === 0) console.log('note: there is no Node older than 24: the launcher is not tested with one')
  for (const { node, major } of older) {
    t.match(await runProgram(t, node, [launcher, '--help']), { code: 0, stdout: /^Usage: outrider /, stderr: '' })
    t.match(await runProgram(t, node, [launcher, 'version']), { code: 0, stdout: version }, `from Node ${major}`)
    t.match(await runProgram(t, node, [launcher, 'lst']), { code: 2, stderr: /did you mean/ }, 'the exit code passes')
    const flags = ['--data', join(temporaryFolder(t), 'data'), '--listen', '127.0.0.1:0', '--admin', '']
    const control = startProgram(t, node, [launcher, 'control', ...flags])
    await control.line(/"ready":"control"/)
    t.match(await control.stop('SIGTERM'), { code: 0, signal: null }, 'signals pass')
  }
})

t.test('without the Node of npm, an older Node says what is missing', async (t) => {
  const [older] = (await otherNodes(t)).filter(({ major }) => major < 24)
  if (older === undefined) return
  const place = temporaryFolder(t)
  cpSync(join(packageRoot, 'bin'), join(place, 'bin'), { recursive: true })
  const { code, stdout, stderr } = await runProgram(t, older.node, [join(place, 'bin', 'outrider'), '--help'])
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^outrider: needs Node 24 or newer[^\n]*\n$/)
})
