import t from 'tap'
import { parseCsr } from '../../../src/identity/csr.ts'
import { type Issued, IssuedSource, type IssuedSourceOptions } from '../../../src/mtls/source/issued.ts'
import { makeTestCa, type Overrides } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { idOf, TRUST_DOMAIN } from '../../fixtures/sidecar.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const ID = idOf('web')

const ca = makeTestCa(TRUST_DOMAIN)

/** Lets what was promised come to pass: making a key takes a thread. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise<void>((resolve) => setImmediate(resolve))
}

interface Bench {
  readonly clock: TestClock
  /** What happened, in order. */
  readonly events: string[]
  readonly options: IssuedSourceOptions
  /** How later CSRs are answered. */
  answer: (csr: Buffer) => Promise<Issued>
}

function bench(random = 0.5): Bench {
  const clock = new TestClock()
  const events: string[] = []
  const made: Bench = {
    clock,
    events,
    answer: (csr) => Promise.resolve(sign(csr, clock)),
    options: {
      id: ID,
      attest: (csr) => {
        events.push('attest')
        return made.answer(csr)
      },
      renew: (csr) => {
        events.push('renew')
        return made.answer(csr)
      },
      clock,
      random: () => random,
      onRenewed: () => events.push('renewed'),
      onRenewalFailed: (reason, retryInMs) => events.push(`failed: ${reason}; again in ${retryInMs}`),
    },
  }
  return made
}

/** A certificate of an hour for the key of the CSR. */
function sign(csr: Buffer, clock: TestClock, overrides: Overrides = {}): Issued {
  const { id, publicKey } = parseCsr(csr)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const now = clock.now()
  const leaf = ca.issue(id, { spki, notBeforeMs: now, notAfterMs: now + HOUR_MS, ...overrides })
  return { chain: leaf.chainDer, bundles: ca.bundles() }
}

t.test('the first SVID is attested, with a key of its own', async (t) => {
  const { options, events } = bench()
  const [one, two] = [await IssuedSource.open(options), await IssuedSource.open(options)]
  t.equal(one.credentials.current.svid.id, ID)
  t.notOk(one.credentials.current.svid.privateKey.equals(two.credentials.current.svid.privateKey))
  t.ok(Object.isFrozen(one.credentials.current))
  t.same(events, ['attest', 'attest'])
  one.close()
  two.close()
})

t.test('renewed at half of the lifetime, with a new key', async (t) => {
  const { options, clock, events } = bench()
  const source = await IssuedSource.open(options)
  const first = source.credentials.current
  clock.advance(30 * MINUTE_MS - 1)
  t.same(events, ['attest'])
  clock.advance(1)
  await until(() => events.length === 3)
  t.same(events, ['attest', 'renew', 'renewed'])
  const second = source.credentials.current
  t.notOk(second.svid.privateKey.equals(first.svid.privateKey))
  t.equal(second.svid.notAfterMs, first.svid.notAfterMs + 30 * MINUTE_MS)
  clock.advance(30 * MINUTE_MS)
  await until(() => events.length === 5)
  source.close()
  t.equal(clock.pending, 0)
})

t.test('a fleet does not renew as one', async (t) => {
  for (const [random, minutes] of [
    [0, 24],
    [0.999_999_9, 36],
  ] as const) {
    const { options, clock, events } = bench(random)
    const source = await IssuedSource.open(options)
    // The jitter is +-10 % of the lifetime around its half: 40 % to 60 %.
    clock.advance(minutes * MINUTE_MS - 1000)
    t.same(events, ['attest'])
    clock.advance(1000)
    await until(() => events.length === 3)
    t.equal(events[1], 'renew')
    source.close()
  }
})

t.test('a renewal that fails is tried again ever more slowly, and the SVID stays', async (t) => {
  const made = bench()
  const { options, clock, events } = made
  const source = await IssuedSource.open(options)
  const first = source.credentials.current
  const good = made.answer
  made.answer = () => Promise.reject(new Error('no server'))
  clock.advance(30 * MINUTE_MS)
  for (const seconds of [72, 144, 288, 300, 300]) {
    await until(() => events.at(-1)?.startsWith('failed') === true)
    t.equal(events.at(-1), `failed: no server; again in ${seconds * 1000}`)
    t.equal(source.credentials.current, first)
    events.length = 0
    clock.advance(seconds * 1000 - 1)
    t.same(events, [])
    if (seconds === 300) made.answer = good
    clock.advance(1)
    await until(() => events.length >= 2)
    if (events.at(-1) === 'renewed') break
  }
  t.same(events, ['renew', 'renewed'])
  t.not(source.credentials.current, first)
  source.close()
})

t.test('an answer that peers would refuse is not taken', async (t) => {
  const made = bench()
  const { options, clock, events } = made
  const source = await IssuedSource.open(options)
  const first = source.credentials.current
  const bad: readonly (readonly [Overrides, RegExp])[] = [
    [{ ca: true }, /CA certificate/],
    [{ notBeforeMs: clock.now(), notAfterMs: clock.now() + MINUTE_MS }, /expired/],
  ]
  for (const [overrides, message] of bad) {
    made.answer = (csr) => Promise.resolve(sign(csr, clock, overrides))
    events.length = 0
    clock.advance(30 * MINUTE_MS)
    await until(() => events.at(-1)?.startsWith('failed') === true)
    t.match(events.at(-1), message)
    t.equal(source.credentials.current, first)
  }
  source.close()
})

t.test('the key of the answer must be ours', async (t) => {
  const made = bench()
  made.answer = () => Promise.resolve({ chain: ca.issue(ID).chainDer, bundles: ca.bundles() })
  await t.rejects(IssuedSource.open(made.options), { code: 'svid-key-mismatch' })
  made.answer = () => Promise.reject(new Error('token used'))
  await t.rejects(IssuedSource.open(made.options), { message: 'token used' })
  t.equal(made.clock.pending, 0)
})

t.test('new bundles come with the SVID of the moment', async (t) => {
  const { options } = bench()
  const source = await IssuedSource.open(options)
  const first = source.credentials.current
  const bundles = new Map([...ca.bundles(), ...makeTestCa('partner.example').bundles()])
  source.setBundles(bundles)
  t.match(source.credentials.current, { svid: first.svid, bundles })
  source.close()
})

t.test('after close nothing is taken any more', async (t) => {
  const made = bench()
  const { options, clock, events } = made
  const source = await IssuedSource.open(options)
  const first = source.credentials.current
  const late = Promise.withResolvers<Issued>()
  const asked: Buffer[] = []
  made.answer = (csr) => {
    asked.push(csr)
    return late.promise
  }
  clock.advance(30 * MINUTE_MS)
  await until(() => asked.length === 1)
  source.close()
  late.resolve(sign(asked[0]!, clock))
  await late.promise
  await new Promise<void>((resolve) => setImmediate(resolve))
  t.equal(source.credentials.current, first)
  t.same(events, ['attest', 'renew'])
  t.equal(clock.pending, 0)
})

t.test('an SVID for somebody else is not used', async (t) => {
  const made = bench()
  made.answer = async (csr) => {
    const { publicKey } = parseCsr(csr)
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    return { chain: ca.issue('/ns/default/sa/other', { spki }).chainDer, bundles: ca.bundles() }
  }
  await t.rejects(IssuedSource.open(made.options), { code: 'svid-id-unexpected' })
})
