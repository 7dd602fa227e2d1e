import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type LastGood, LastGoodBundles } from '../../../../src/control/federation/last-good.ts'
import { parseBundleDocument } from '../../../../src/identity/bundle-document.ts'
import { parseTrustDomain } from '../../../../src/identity/spiffe-id.ts'
import { createLogger } from '../../../../src/telemetry/log.ts'
import { documentOf } from '../../../fixtures/bundle-endpoint.ts'
import { makeTestCa } from '../../../fixtures/ca.ts'
import { TestClock } from '../../../fixtures/clock.ts'
import { temporaryFolder } from '../../../fixtures/control.ts'

const dots = parseTrustDomain('..')
const long = parseTrustDomain('x'.repeat(255))
const partner = parseTrustDomain('partner.test')

function valueFor(trustDomain: string): LastGood {
  const document = parseBundleDocument(Buffer.from(documentOf([makeTestCa(trustDomain)], 3)), trustDomain)
  return { document, origin: 'o', fetchedAtMs: 5, meshSequence: 7 }
}

function open(folder: string): { kept: LastGoodBundles; lines: string[] } {
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  const log = createLogger({ name: 'control', level: 'debug', clock: new TestClock(), sink })
  return { kept: new LastGoodBundles(folder, log), lines }
}

t.test('what is kept comes back, whatever the trust domain is called', async (t) => {
  const folder = temporaryFolder(t)
  const { kept, lines } = open(folder)
  for (const trustDomain of [dots, long, partner]) {
    t.equal(kept.read(trustDomain), undefined)
    const value = valueFor(trustDomain)
    kept.write(trustDomain, value)
    const { document, ...rest } = kept.read(trustDomain)!
    t.same(rest, { origin: 'o', fetchedAtMs: 5, meshSequence: 7 })
    t.equal(document.bundle.sequence, 3)
    t.equal(document.bundle.authorities[0]!.fingerprint, value.document.bundle.authorities[0]!.fingerprint)
  }
  const place = join(folder, 'federation')
  t.equal(statSync(place).mode & 0o777, 0o700)
  for (const name of readdirSync(place)) t.equal(statSync(join(place, name)).mode & 0o777, 0o600)
  kept.keepOnly([dots, partner])
  t.equal(readdirSync(place).length, 2)
  kept.remove(dots)
  kept.remove(dots)
  t.equal(kept.read(dots), undefined)
  t.ok(kept.read(partner))
  t.same(lines, [])
})

t.test('a start value has no time at which it was fetched', async (t) => {
  const { kept } = open(temporaryFolder(t))
  const { fetchedAtMs: _, ...value } = valueFor(partner)
  kept.write(partner, value)
  t.notOk('fetchedAtMs' in kept.read(partner)!)
})

t.test('every damage is noticed, and is no reason to stop', async (t) => {
  const folder = temporaryFolder(t)
  const { kept, lines } = open(folder)
  kept.write(partner, valueFor(partner))
  const place = join(folder, 'federation')
  const path = join(place, readdirSync(place)[0]!)
  const text = readFileSync(path, 'utf8')
  const broken: Readonly<Record<string, string>> = {
    'cut off': text.slice(0, -20),
    empty: '',
    'no object': '[]',
    'another number': text.replace('"meshSequence":7', '"meshSequence":8'),
    'another trust domain': text.replaceAll('partner.test', 'another.test'),
    'too large': text.padEnd(5 * 1024 * 1024),
  }
  for (const [what, content] of Object.entries(broken)) {
    const known = lines.length
    writeFileSync(path, content)
    t.equal(kept.read(partner), undefined, what)
    t.match(lines.slice(known).join(), /a kept trust bundle is not readable/, what)
  }
  writeFileSync(path, text)
  t.ok(kept.read(partner), 'the file as it was')
  kept.remove(partner)
  symlinkSync('/dev/zero', path)
  t.equal(kept.read(partner), undefined, 'no link is followed')
})

t.test('a folder that cannot be written costs a line of the log', async (t) => {
  const folder = join(temporaryFolder(t), 'data')
  mkdirSync(folder)
  writeFileSync(join(folder, 'federation'), 'in the way')
  const { kept, lines } = open(folder)
  kept.write(partner, valueFor(partner))
  kept.keepOnly([])
  t.match(lines[0] ?? '', /a trust bundle cannot be kept/)
  chmodSync(folder, 0o700)
})
