import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FilesSource } from '../../../src/mtls/source/files.ts'
import { makeTestCa, type TestLeaf } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { temporaryFolder } from '../../fixtures/control.ts'
import { eventually, idOf, TRUST_DOMAIN } from '../../fixtures/sidecar.ts'

const ca = makeTestCa(TRUST_DOMAIN)
const web = '/ns/default/sa/web'
const POLL_MS = 10_000

interface Bench {
  readonly folder: string
  readonly clock: TestClock
  readonly events: string[]
  readonly write: (leaf: TestLeaf, roots?: string) => void
  readonly open: () => FilesSource
}

function bench(t: Test): Bench {
  const folder = temporaryFolder(t)
  const clock = new TestClock(Date.now())
  const events: string[] = []
  const file = (name: string): string => join(folder, name)
  return {
    folder,
    clock,
    events,
    write: ({ chainPem, keyPem }, roots = ca.pem) => {
      writeFileSync(file('tls.crt'), chainPem)
      writeFileSync(file('tls.key'), keyPem, { mode: 0o600 })
      writeFileSync(file('ca.crt'), roots)
    },
    open: () => {
      const source = FilesSource.open({
        files: { certificate: file('tls.crt'), key: file('tls.key'), bundle: file('ca.crt') },
        clock,
        onChanged: ({ svid }) => void events.push(`changed ${svid.serial}`),
        onRefused: (error) => void events.push(`refused ${String(Reflect.get(Object(error), 'code'))}`),
        onUnwatched: () => void events.push('unwatched'),
      })
      t.teardown(() => source.close())
      return source
    },
  }
}

t.test('certificate, key and roots are one identity', async (t) => {
  const { write, open } = bench(t)
  write(ca.intermediate().issue(web))
  const { svid, bundles } = open().credentials.current
  t.equal(svid.id, idOf('web'))
  t.equal(svid.chainDer.length, 2)
  t.same([...bundles.keys()], [TRUST_DOMAIN])
})

t.test('the poll sees what the watcher did not, once', async (t) => {
  const { write, open, clock, events } = bench(t)
  write(ca.issue(web))
  const source = open()
  const first = source.credentials.current
  clock.advance(POLL_MS)
  t.equal(source.credentials.current, first, 'the same files are no news')
  write(ca.issue(web))
  clock.advance(POLL_MS)
  const second = source.credentials.current
  t.not(second.svid.serial, first.svid.serial)
  t.ok(second.bundles.get(ca.trustDomain)!.sequence > first.bundles.get(ca.trustDomain)!.sequence)
  clock.advance(10 * POLL_MS)
  t.same(events, [`changed ${second.svid.serial}`])
})

t.test('a set that does not fit together changes nothing, is told once, and is tried when it changes', async (t) => {
  const { folder, write, open, clock, events } = bench(t)
  write(ca.issue(web))
  const source = open()
  const first = source.credentials.current
  const next = ca.issue(web)
  writeFileSync(join(folder, 'tls.crt'), next.chainPem)
  clock.advance(3 * POLL_MS)
  t.same(events, ['refused svid-key-mismatch'], 'half written')
  t.equal(source.credentials.current, first)
  writeFileSync(join(folder, 'tls.crt'), next.chainPem.slice(0, 300))
  clock.advance(3 * POLL_MS)
  t.same(events.splice(0), ['refused svid-key-mismatch', 'refused certificate-malformed'])
  write(next)
  clock.advance(POLL_MS)
  t.equal(events.length, 1)
  t.match(events, [/^changed/])
})

t.test('files that go are told once, and are read when they come back', async (t) => {
  const { folder, write, open, clock, events } = bench(t)
  const leaf = ca.issue(web)
  write(leaf)
  const source = open()
  const first = source.credentials.current
  rmSync(join(folder, 'tls.key'))
  clock.advance(5 * POLL_MS)
  t.same(events, ['refused identity-file-unreadable'])
  t.equal(source.credentials.current, first)
  write(ca.issue(web))
  clock.advance(POLL_MS)
  t.match(events.at(-1), /^changed/)
})

t.test('the watcher sees a symbolic link that turns, as Kubernetes renews secrets', async (t) => {
  const { folder, clock, events, write } = bench(t)
  write(ca.issue(web))
  const generation = (name: string, leaf: TestLeaf): void => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'tls.crt'), leaf.chainPem)
    writeFileSync(join(folder, name, 'tls.key'), leaf.keyPem, { mode: 0o600 })
    writeFileSync(join(folder, name, 'ca.crt'), ca.pem)
  }
  for (const name of ['tls.crt', 'tls.key', 'ca.crt']) {
    rmSync(join(folder, name))
    symlinkSync(join('..data', name), join(folder, name))
  }
  generation('..1', ca.issue(web))
  symlinkSync('..1', join(folder, '..data'))
  const source = FilesSource.open({
    files: { certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), bundle: join(folder, 'ca.crt') },
    clock,
    onChanged: ({ svid }) => void events.push(`changed ${svid.serial}`),
    onRefused: (error) => void events.push(`refused ${String(error)}`),
    onUnwatched: () => void events.push('unwatched'),
  })
  t.teardown(() => source.close())
  generation('..2', ca.issue(web))
  symlinkSync('..2', join(folder, '..next'))
  renameSync(join(folder, '..next'), join(folder, '..data'))
  // Two timers: the poll and, once the watcher has called, the moment in which changes settle.
  await eventually(() => {
    if (clock.pending > 1) clock.advance(100)
    return events.length > 0
  }, 'the watcher sees it')
  t.match(events, [/^changed/])
})

t.test('other roots alone are no other SVID', async (t) => {
  const { folder, write, open, clock, events } = bench(t)
  write(ca.issue(web))
  const source = open()
  const { svid } = source.credentials.current
  writeFileSync(join(folder, 'ca.crt'), ca.pem + makeTestCa(TRUST_DOMAIN).pem)
  clock.advance(POLL_MS)
  t.equal(events.length, 1)
  t.equal(source.credentials.current.svid, svid)
  t.equal(source.credentials.current.bundles.get(ca.trustDomain)!.authorities.length, 2)
})

t.test('another SPIFFE ID is another identity', async (t) => {
  const { write, open, clock, events } = bench(t)
  write(ca.issue(web))
  const source = open()
  write(ca.issue('/ns/default/sa/api'))
  clock.advance(POLL_MS)
  t.same(events, ['refused svid-id-unexpected'])
  t.equal(source.credentials.current.svid.id, idOf('web'))
})

t.test('refused at the start', async (t) => {
  const cases: readonly (readonly [code: string, change: (folder: string) => void])[] = [
    ['identity-file-unreadable', (folder) => rmSync(join(folder, 'ca.crt'))],
    [
      'identity-file-unreadable',
      (folder) => {
        rmSync(join(folder, 'ca.crt'))
        mkdirSync(join(folder, 'ca.crt'))
      },
    ],
    ['identity-key-exposed', (folder) => chmodSync(join(folder, 'tls.key'), 0o644)],
    ['identity-file-too-large', (folder) => writeFileSync(join(folder, 'ca.crt'), 'x'.repeat(1024 * 1024 + 1))],
    ['private-key-malformed', (folder) => writeFileSync(join(folder, 'tls.key'), 'no key')],
    ['certificate-malformed', (folder) => writeFileSync(join(folder, 'tls.crt'), '')],
    ['svid-key-mismatch', (folder) => writeFileSync(join(folder, 'tls.key'), ca.issue(web).keyPem)],
    ['bundle-not-authority', (folder) => writeFileSync(join(folder, 'ca.crt'), ca.issue(web).chainPem)],
  ]
  for (const [code, change] of cases) {
    const { folder, write, open } = bench(t)
    write(ca.issue(web))
    change(folder)
    t.throws(open, { code, place: /^\//, message: /^\/.+\/(?:tls|ca)\.(?:crt|key): / }, code)
  }
  const { write, open } = bench(t)
  write(ca.issue(web), makeTestCa(TRUST_DOMAIN).pem)
  t.throws(open, { code: 'key-id-mismatch' }, 'roots of something else')
})

t.test('no part of a private key is in an error', async (t) => {
  const { folder, write, open } = bench(t)
  const leaf = ca.issue(web)
  write(leaf)
  const broken = leaf.keyPem.replace('-----END', '!-----END')
  writeFileSync(join(folder, 'tls.key'), broken)
  try {
    open()
    t.fail('is refused')
  } catch (error) {
    t.notMatch(JSON.stringify([String(error), Reflect.get(Object(error), 'cause')]), leaf.keyPem.slice(40, 60))
  }
})
