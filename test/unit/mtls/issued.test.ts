import t from 'tap'
import { parseCsr } from '../../../src/identity/csr.ts'
import { OutriderError } from '../../../src/lib/errors.ts'
import { type Attested, type Issued, IssuedSource, type IssuedSourceOptions } from '../../../src/mtls/source/issued.ts'
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
  readonly alarms: string[]
  /** By how much the clock is said to be ahead, in milliseconds. */
  readonly skews: number[]
  readonly options: IssuedSourceOptions & Attested
  /** How later CSRs are answered. */
  answer: (csr: Buffer) => Promise<Issued>
}

function bench(random = 0.5): Bench {
  const clock = new TestClock()
  const events: string[] = []
  const alarms: string[] = []
  const skews: number[] = []
  const made: Bench = {
    clock,
    events,
    alarms,
    skews,
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
      onAlarm: (alarm) => alarms.push(alarm),
      onClockSkew: (aheadMs) => skews.push(aheadMs),
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

t.test('what an earlier process was issued is good at once, and renewed within seconds', async (t) => {
  const made = bench()
  const { options, clock, events, alarms } = made
  const kept = (await IssuedSource.open(options)).credentials.current
  clock.advance(10 * MINUTE_MS)
  events.length = 0
  made.answer = () => Promise.reject(new Error('no server'))
  const source = IssuedSource.resume(options, kept)
  t.equal(source.credentials.current, kept)
  clock.advance(2_499)
  t.same(events, [])
  clock.advance(1)
  await until(() => events.length === 2)
  t.same(events, ['renew', 'failed: no server; again in 2000'])
  t.equal(source.credentials.current, kept, 'it stays in use')
  made.answer = (csr) => Promise.resolve(sign(csr, clock))
  clock.advance(2_000)
  await until(() => events.at(-1) === 'renewed')
  t.notOk(source.credentials.current.svid.privateKey.equals(kept.svid.privateKey))
  t.same(alarms, [])
  source.close()
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

t.test('a renewal that fails has a second chance at once, then ever more slowly, and the SVID stays', async (t) => {
  const made = bench()
  const { options, clock, events } = made
  const source = await IssuedSource.open(options)
  const first = source.credentials.current
  const good = made.answer
  made.answer = () => Promise.reject(new Error('no server'))
  clock.advance(30 * MINUTE_MS)
  for (const seconds of [2, 72, 144, 288, 300]) {
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

t.test('alarms at 80 % of the lifetime and at its end, once each, and none when it is renewed', async (t) => {
  const made = bench()
  const { options, clock, events, alarms } = made
  const source = await IssuedSource.open(options)
  clock.advance(30 * MINUTE_MS)
  await until(() => events.at(-1) === 'renewed')
  clock.advance(29 * MINUTE_MS)
  t.same(alarms, [], 'the timers of the first SVID are gone')
  made.answer = () => Promise.reject(new Error('no server'))
  clock.advance(19 * MINUTE_MS - 1)
  t.same(alarms, [])
  clock.advance(1)
  t.same(alarms, ['overdue'])
  clock.advance(12 * MINUTE_MS)
  t.same(alarms, ['overdue', 'expired'])
  clock.advance(HOUR_MS)
  t.same(alarms, ['overdue', 'expired'])
  source.close()
  t.equal(clock.pending, 0)
})

/** Moves the clock from the next renewal, in `ms`, on for as long as they fail; gives when each was made, in seconds. */
async function attempts({ clock, events }: Bench, ms: number, untilMs: number): Promise<number[]> {
  const times: number[] = []
  for (let next = ms; clock.monotonic() + next < untilMs; ) {
    events.length = 0
    clock.advance(next)
    times.push(clock.monotonic() / 1000)
    await until(() => events.length > 1)
    const [, again] = /again in ([\d.]+)$/.exec(events.at(-1) ?? '') ?? []
    if (again === undefined) break
    next = Number(again)
  }
  return times
}

t.test('at the end of the SVID, and from then on every few seconds', async (t) => {
  for (const random of [0, 0.5, 0.999]) {
    const made = bench(random)
    const { clock, options, events } = made
    const source = await IssuedSource.open(options)
    const good = made.answer
    made.answer = () => Promise.reject(new Error('no server'))
    const times = await attempts(made, (0.4 + 0.2 * random) * HOUR_MS, HOUR_MS + 5 * MINUTE_MS)
    const end = times.findIndex((at) => at > 3599.9)
    t.ok(Math.abs(times[end]! - 3600) < 0.1, 'at the end')
    t.ok(end >= 5 && end <= 12, `${end} attempts before`)
    const pauses = times.slice(end + 1).map((at, index) => at - times[end + index]!)
    t.ok(pauses.length > 50)
    t.ok(Math.max(...pauses) <= 5 && Math.min(...pauses) >= 3, `${Math.min(...pauses)} to ${Math.max(...pauses)} s`)
    made.answer = good
    await attempts(made, 5_000, Number.POSITIVE_INFINITY)
    t.equal(events.at(-1), 'renewed', 'by itself')
    t.ok(source.credentials.current.svid.notAfterMs > clock.now())
    source.close()
    t.equal(clock.pending, 0)
  }
})

t.test('evidence that can be shown again is, when the SVID is of no use', async (t) => {
  const made = bench()
  const { clock, events } = made
  const refusals: OutriderError[] = []
  const options: IssuedSourceOptions & Attested = {
    ...made.options,
    renew: (csr) => {
      const refusal = refusals.pop()
      return refusal === undefined ? made.options.renew(csr) : Promise.reject(refusal)
    },
    attestAgain: (csr) => {
      events.push('attest again')
      return made.answer(csr)
    },
  }
  const source = await IssuedSource.open(options)
  refusals.push(new OutriderError('peer-unauthenticated', 'refused'))
  clock.advance(30 * MINUTE_MS)
  await until(() => events.at(-1) === 'renewed')
  t.same(events, ['attest', 'attest again', 'renewed'])

  events.length = 0
  refusals.push(new OutriderError('rpc-unavailable', 'no server', { retryable: true }))
  clock.advance(30 * MINUTE_MS)
  await until(() => events.length > 0)
  t.match(events, [/^failed: no server/], 'not while the SVID is good and the server is only away')

  events.length = 0
  for (let count = 0; count < 3; count += 1) refusals.push(new OutriderError('rpc-unavailable', 'no server'))
  clock.step(HOUR_MS)
  clock.advance(2_000)
  await until(() => events.at(-1) === 'renewed')
  t.same(events, ['attest again', 'renewed'])
  source.close()
})

t.test('a clock that differs is told, and named when the SVID cannot be used', async (t) => {
  const made = bench()
  const { clock, options, skews } = made
  const serverAt =
    (offsetMs: number, overrides: Overrides = {}) =>
    (csr: Buffer): Promise<Issued> =>
      Promise.resolve({ ...sign(csr, clock, overrides), serverTimeMs: clock.now() + offsetMs })
  const over = { notBeforeMs: clock.now() - 2 * HOUR_MS, notAfterMs: clock.now() - HOUR_MS }
  made.answer = serverAt(15_000)
  ;(await IssuedSource.open(options)).close()
  made.answer = serverAt(-90_000)
  ;(await IssuedSource.open(options)).close()
  t.same(skews, [-15_000, 90_000], 'in both directions')
  made.answer = serverAt(45_000, { notBeforeMs: clock.now() + 25_000 })
  await t.rejects(IssuedSource.open(options), {
    code: 'clock-skew',
    message: 'this clock is 45 s behind the control server, 20 s are tolerated: the new SVID cannot be used',
  })
  made.answer = serverAt(-2 * HOUR_MS, over)
  await t.rejects(IssuedSource.open(options), { code: 'clock-skew', message: /7200 s ahead of/ })
  made.answer = serverAt(0, over)
  await t.rejects(IssuedSource.open(options), { code: 'expired' }, 'with clocks that agree it is something else')
})
