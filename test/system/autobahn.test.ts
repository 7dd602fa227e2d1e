// The Autobahn WebSocket test suite, as a client, through two sidecars to a server of the `ws` package: its verdicts are
// those on a direct connection.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Address, formatAddress } from '../../src/lib/address.ts'
import { autobahn } from '../fixtures/foreign.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { startServices } from '../fixtures/mesh.ts'
import { runProgram, temporaryFolder } from '../fixtures/process.ts'
import { startHttp1ToHttp2, startWebSocketEcho } from '../fixtures/websocket.ts'

checkLeaks(t)

/** All that RFC 6455 says: framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, limits up to 16 MiB. */
const CHAPTERS = ['1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '9.*', '10.*']
const CASES = 301
/**
 * Compression is the business of the two ends, and its 216 cases take a quarter of an hour: messages of several sizes, whole
 * and in fragments, with and without a window that is kept.
 */
const COMPRESSION = [
  '12.1.1',
  '12.1.6',
  '12.1.12',
  '12.3.5',
  '13.1.5',
  '13.3.5',
  '13.5.5',
  '13.7.1',
  '13.7.6',
  '13.7.12',
]

/** The verdicts by case: on what was received, and on how it was closed. */
type Verdicts = Readonly<Record<string, string>>

async function verdicts(
  t: Test,
  program: { readonly file: string; readonly args: readonly string[] },
  agents: Readonly<Record<string, Address>>,
  cases: readonly string[],
): Promise<Readonly<Record<string, Verdicts>>> {
  const outdir = temporaryFolder(t)
  const spec = join(outdir, 'spec.json')
  const servers = Object.entries(agents).map(([agent, to]) => ({ agent, url: `ws://${formatAddress(to)}` }))
  writeFileSync(spec, JSON.stringify({ outdir, servers, cases, 'exclude-cases': [], 'exclude-agent-cases': {} }))
  const { file, args } = program
  const { stderr } = await runProgram(t, file, [...args, '-m', 'fuzzingclient', '-s', spec], { withinMs: 500_000 })
  if (!stderr.includes('stop reactor')) t.comment(stderr.slice(-500))
  const index: Readonly<Record<string, Readonly<Record<string, { behavior: string; behaviorClose: string }>>>> =
    JSON.parse(readFileSync(join(outdir, 'index.json'), 'utf8'))
  return Object.fromEntries(
    Object.entries(index).map(([agent, results]) => [
      agent,
      Object.fromEntries(
        Object.entries(results).map(([id, { behavior, behaviorClose }]) => [id, `${behavior}, ${behaviorClose}`]),
      ),
    ]),
  )
}

function summary(verdicts: Verdicts): string {
  const counts: Record<string, number> = {}
  for (const verdict of Object.values(verdicts)) counts[verdict] = (counts[verdict] ?? 0) + 1
  return Object.entries(counts)
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join('; ')
}

const program = await autobahn(t)
if (program.kind === 'missing') {
  console.log(`note: left out: ${program.why}`)
  t.pass('the Autobahn suite is not there')
} else {
  const echo = await startWebSocketEcho(t)
  const declared = await startWebSocketEcho(t)
  const { web, nameByAddress } = await startServices(t, [
    { name: 'echo', appPort: echo.port },
    { name: 'declared', appPort: declared.port, protocol: 'http1', inbound: { protocol: 'http1' } },
  ])
  await nameByAddress('echo')
  const agents = {
    direct: echo,
    'HTTP/1.1': web.outbound,
    'HTTP/2': await startHttp1ToHttp2(t, web.outbound, 'declared'),
  }

  const compare = async (t: Test, cases: readonly string[], count: number): Promise<void> => {
    const { direct = {}, ...through } = await verdicts(t, program, agents, cases)
    t.comment(`Autobahn, direct: ${summary(direct)}`)
    t.equal(Object.keys(direct).length, count)
    t.notOk(
      Object.values(direct).some((verdict) => verdict.includes('FAILED')),
      'the server itself is right',
    )
    for (const [agent, verdicts] of Object.entries(through)) {
      t.comment(`Autobahn, ${agent} through two sidecars: ${summary(verdicts)}`)
      t.same(verdicts, direct, agent)
    }
  }
  t.test('RFC 6455', (t) => compare(t, CHAPTERS, CASES))
  t.test('permessage-deflate', (t) => compare(t, COMPRESSION, COMPRESSION.length))
}
