import { randomBytes } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { newApiKey } from '../../../src/identity/api-key.ts'
import { timestampOf } from '../../../src/lib/protobuf-time.ts'
import type { ClientDuplex } from '../../../src/rpc/client.ts'
import type { CanaryEvent__Output } from '../../../src/wire/outrider/admin/v1/CanaryEvent.ts'
import type { CanaryRequest } from '../../../src/wire/outrider/admin/v1/CanaryRequest.ts'
import type { CanaryStart } from '../../../src/wire/outrider/admin/v1/CanaryStart.ts'
import type { HealthReport } from '../../../src/wire/outrider/policy/v1/HealthReport.ts'
import type { PolicyUpdate__Output } from '../../../src/wire/outrider/policy/v1/PolicyUpdate.ts'
import {
  allow,
  document,
  openStream,
  startTestControl,
  type TestControl,
  type TestSidecar,
  type TestStream,
  workload,
} from '../../fixtures/control.ts'

const WATCH_MS = 20_000
const DENY = { action: 'DENY', rules: [{ to: [{ paths: ['/{**}'] }] }] }

/** A sidecar that takes every update, and reports what the test says. */
class Member {
  readonly name: string
  readonly stream: TestStream
  readonly #held = new Map<string, number>()
  /** How many updates came, and what the last one asked for. */
  updates = 0
  askedEveryMs = 0
  revision = 0
  /** What it answers with from now on. */
  refuses = false
  /** From now on it takes what comes, and says nothing. */
  silent = false

  constructor(sidecar: TestSidecar, name: string, held: readonly { name: string; revision: number }[] = []) {
    this.name = name
    const versions = held.map(({ name, revision }) => ({
      name: { kind: 'AuthorizationPolicy', namespace: 'default', name },
      revision,
    }))
    this.stream = openStream(sidecar, { sidecarId: name, programVersion: '1.0', held: versions })
    void this.#follow()
  }

  /** The policies it has, with their revisions. */
  get policies(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#held)
  }

  report(counts: Omit<HealthReport, 'revision'>): void {
    this.stream.call.send({ healthReport: { revision: this.revision, ...counts } })
  }

  async #follow(): Promise<never> {
    for (;;) this.#take(await this.stream.next())
  }

  #take({ nonce, revision, changed, removed, reportHealthEveryMs }: PolicyUpdate__Output): void {
    this.updates += 1
    this.askedEveryMs = reportHealthEveryMs
    const [first] = changed
    if (this.silent) return
    if (this.refuses && first !== undefined) {
      const violations = [{ resource: first.name, field: 'spec.rules[0]', code: 'rule-strange', message: 'no' }]
      this.stream.call.send({ nack: { nonce, revision, violations } })
      return
    }
    this.revision = revision
    for (const resource of changed) {
      if (resource.name?.kind === 'AuthorizationPolicy') this.#held.set(resource.name.name, resource.revision)
    }
    for (const { name } of removed) this.#held.delete(name)
    this.stream.call.send({ ack: { nonce, revision } })
  }
}

function apiKey(): object {
  const { id, salt, hash } = newApiKey(randomBytes)
  const secrets = [{ id, salt, hash, createdAt: '2026-01-01T00:00:00Z' }]
  return document('ApiKey', 'partner', { owner: 'partner', secrets })
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 20_000; turns += 1) {
    if (await holds()) return
    await turn()
  }
  throw new Error(`not in time: ${what}`)
}

interface Bench {
  readonly control: TestControl
  readonly sidecar: TestSidecar
  readonly members: readonly Member[]
  /** Lets the debounce window pass until every member has acknowledged what is on its way. */
  readonly settle: () => Promise<void>
  readonly begin: (start?: Partial<CanaryStart>) => Operator
}

interface Operator {
  readonly call: ClientDuplex<CanaryRequest, CanaryEvent__Output>
  readonly events: readonly CanaryEvent__Output[]
  readonly ended: Promise<void>
  /** Waits for the event. */
  readonly at: (step: CanaryEvent__Output['step']) => Promise<CanaryEvent__Output>
  readonly canaries: () => readonly Member[]
}

async function setUp(t: Test, count = 4): Promise<Bench> {
  const control = await startTestControl(t)
  const { clock, admin } = control
  await control.apply(workload('orders'), allow('orders', { workloads: ['orders'] }))
  const sidecar = await control.join('orders')
  const members = Array.from({ length: count }, (_, index) => new Member(sidecar, `orders-${index}`))
  const settle = async (): Promise<void> => {
    await until('in sync', async () => {
      const { sidecars } = await admin.listSidecars({})
      const here = sidecars.filter(({ state }) => state !== 'STATE_DISCONNECTED')
      if (here.length >= members.length && here.every(({ state }) => state !== 'STATE_PENDING')) return true
      clock.advance(100)
      return false
    })
  }
  await until('connected', async () => (await admin.getStatus({})).connectedSidecars === count)
  await settle()
  return {
    control,
    sidecar,
    members,
    settle,
    begin: (start = {}) => {
      const call = admin.applyCanary()
      const events: CanaryEvent__Output[] = []
      call.onMessage((event) => events.push(event))
      const ended = new Promise<void>((resolve, reject) => {
        call.onEnd((error) => (error === undefined ? resolve() : reject(error)))
      })
      ended.catch(() => {})
      const documents = [JSON.stringify(allow('new', { workloads: ['orders'], ...DENY }))]
      call.send({ start: { documents, percent: 25, watch: { seconds: WATCH_MS / 1000, nanos: 0 }, ...start } })
      const at: Operator['at'] = async (step) => {
        await until(step, () => events.some((event) => event.step === step))
        return events.find((event) => event.step === step)!
      }
      return {
        call,
        events,
        ended,
        at,
        canaries: () => {
          const names = new Set(events[0]?.canaries.map(({ sidecarId }) => sidecarId))
          return members.filter(({ name }) => names.has(name))
        },
      }
    },
  }
}

/** Up to the moment when the canaries run the change and have reported for the first time since. */
async function watching({ control, settle, members }: Bench, operator: Operator): Promise<void> {
  await operator.at('STEP_STARTED')
  await settle()
  for (const member of members) member.report({ requests: 0 })
  for (const member of members) member.report({ requests: 100 })
  await heard(control, members)
  control.clock.advance(WATCH_MS / 2)
  await operator.at('STEP_PUSHED')
  await settle()
  await operator.at('STEP_WATCHING')
  for (const member of members) member.report({ requests: 100 })
  await heard(control, members)
}

let marks = 0

/** Until the control server has read all that the members have sent: what they say of their clocks comes last, and shows. */
async function heard({ admin, clock }: TestControl, members: readonly Member[]): Promise<void> {
  marks += 1
  const at = timestampOf(clock.now() + marks * 1000)
  for (const { stream } of members) stream.call.send({ trustReport: { at } })
  await until('heard', async () => {
    const { sidecars } = await admin.listSidecars({})
    return sidecars.filter(({ clockAheadMs }) => clockAheadMs === marks * 1000).length === members.length
  })
}

t.test('a change that denies real requests goes to a part, is noticed there and taken back', async (t) => {
  const bench = await setUp(t)
  const { members, control, settle } = bench
  const before = members.map(({ policies }) => policies)
  const operator = bench.begin()
  await watching(bench, operator)
  const [canary, ...more] = operator.canaries()
  t.same(more, [], 'a quarter of four')
  t.ok(canary?.policies['new'], 'it has the change')
  t.same(
    members.filter((member) => member !== canary).map(({ policies }) => policies),
    before.slice(1),
    'and nobody else',
  )
  t.same(
    members.map(({ askedEveryMs }) => askedEveryMs),
    Array(4).fill(2000),
    'all are asked how they do',
  )
  t.rejects(control.apply(allow('other')), { code: 'canary-running' }, 'no other change meanwhile')
  t.rejects(control.admin.delete({ ref: { kind: 'AuthorizationPolicy', name: 'orders' } }), { code: 'canary-running' })
  const revocation = { apiVersion: 'outrider.mesh/v1', kind: 'Revocation', metadata: { name: 'r' } }
  await control.apply({ ...revocation, spec: { spiffeIds: ['spiffe://test.local/ns/default/sa/thief'], reason: 'x' } })
  await control.apply(apiKey())
  await control.admin.delete({ ref: { kind: 'ApiKey', name: 'partner' } })
  t.pass('but revocations and API keys')

  for (const member of members) member.report({ requests: 200, denied: member === canary ? 60 : 0 })
  const { reasons } = await operator.at('STEP_ROLLING_BACK')
  t.match(reasons, [{ code: 'canary-denials', message: /60 of 100 requests denied \(60.0 %; before 0.0 %/ }])
  await settle()
  const last = await operator.at('STEP_ROLLED_BACK')
  t.equal(last.unsettled, 0)
  await operator.ended
  t.same(
    members.map(({ policies }) => policies),
    before,
    'everybody has what is stored',
  )
  await settle()
  t.same(
    members.map(({ askedEveryMs }) => askedEveryMs),
    Array(4).fill(0),
    'nobody is asked any more',
  )
  await t.rejects(control.admin.get({ ref: { kind: 'AuthorizationPolicy', name: 'new' } }), {
    code: 'resource-not-found',
  })
  await control.apply(allow('other'))
  for (const { stream } of members) stream.call.cancel()
})

t.test('a harmless change is stored for all', async (t) => {
  const bench = await setUp(t)
  const { members, control, settle } = bench
  const operator = bench.begin()
  await watching(bench, operator)
  for (const member of members) member.report({ requests: 300, denied: 1, appErrors: 1 })
  const [canary] = operator.canaries()
  await until('reported', async () => {
    control.clock.advance(2000)
    const health = operator.events.findLast(({ step }) => step === 'STEP_HEALTH')?.health ?? []
    return health[0]?.canaries?.requests === 200
  })
  control.clock.advance(WATCH_MS)
  const promoted = await operator.at('STEP_PROMOTED')
  t.match(promoted.outcomes, [{ ref: { name: 'new' }, change: 'CHANGE_CREATED' }])
  await operator.ended
  await settle()
  const versions = new Set(members.map(({ policies }) => policies['new']))
  t.equal(versions.size, 1, 'all have the same')
  t.ok(
    [...versions].every((version) => version !== undefined && version >= 2 ** 52),
    'what is stored, and no overlay',
  )
  t.ok(canary)
  for (const { stream } of members) stream.call.cancel()
})

t.test('without traffic nothing can be told, unless that is allowed', async (t) => {
  const bench = await setUp(t, 2)
  const quiet = bench.begin()
  await watching(bench, quiet)
  bench.control.clock.advance(WATCH_MS)
  t.match((await quiet.at('STEP_ROLLING_BACK')).reasons, [{ code: 'canary-quiet', message: /0 requests/ }])
  await bench.settle()
  await quiet.ended
  const allowed = bench.begin({ allowQuiet: true })
  await watching(bench, allowed)
  bench.control.clock.advance(WATCH_MS)
  await allowed.at('STEP_PROMOTED')
  for (const { stream } of bench.members) stream.call.cancel()
})

t.test('a canary that refuses the change', async (t) => {
  const bench = await setUp(t)
  const operator = bench.begin()
  await operator.at('STEP_STARTED')
  await bench.settle()
  for (const member of operator.canaries()) member.refuses = true
  bench.control.clock.advance(WATCH_MS / 2)
  await operator.at('STEP_PUSHED')
  bench.control.clock.advance(100)
  const { reasons } = await operator.at('STEP_ROLLING_BACK')
  t.match(reasons, [
    { code: 'canary-nacked', message: /orders-\d refused .*new: spec\.rules\[0\]: no \(rule-strange\)/ },
  ])
  for (const member of operator.canaries()) member.refuses = false
  await bench.settle()
  await operator.ended
  for (const { stream } of bench.members) stream.call.cancel()
})

t.test('a canary that does not answer', async (t) => {
  const bench = await setUp(t)
  const { clock } = bench.control
  const operator = bench.begin()
  await operator.at('STEP_STARTED')
  await bench.settle()
  for (const member of operator.canaries()) member.silent = true
  clock.advance(WATCH_MS / 2)
  await operator.at('STEP_PUSHED')
  clock.advance(9_999)
  t.equal(operator.events.at(-1)?.step, 'STEP_PUSHED')
  clock.advance(1)
  const { reasons } = await operator.at('STEP_ROLLING_BACK')
  t.match(reasons, [{ code: 'canary-unanswered', message: /1 canaries did not acknowledge/ }])
  clock.advance(10_000)
  t.equal((await operator.at('STEP_ROLLED_BACK')).unsettled, 1, 'it is not waited for longer than that')
  await operator.ended
  for (const { stream } of bench.members) stream.call.cancel()
})

t.test('a canary that goes away may come back, and not too late', async (t) => {
  const bench = await setUp(t)
  const { control, sidecar, members } = bench
  const operator = bench.begin()
  await watching(bench, operator)
  const [canary] = operator.canaries()
  const disconnected = async (): Promise<boolean> => (await control.admin.getStatus({})).connectedSidecars === 3
  canary!.stream.call.cancel()
  await until('gone', disconnected)
  const held = Object.entries(canary!.policies).map(([name, revision]) => ({ name, revision }))
  const back = new Member(sidecar, canary!.name, held)
  await until('back', () => back.updates === 1)
  t.equal(back.askedEveryMs, 2000, 'asked again how it does')
  t.same(back.policies, {}, 'it holds the change, so that nothing had to be sent')
  control.clock.advance(10_000)
  await heard(control, [...members.filter((member) => member !== canary), back])
  t.notOk(operator.events.some(({ step }) => step === 'STEP_ROLLING_BACK'))
  back.stream.call.cancel()
  await until('gone again', disconnected)
  control.clock.advance(10_000)
  const { reasons } = await operator.at('STEP_ROLLING_BACK')
  t.match(reasons, [{ code: 'canary-lost', message: `${canary!.name} has lost its stream and is not back` }])
  t.equal((await operator.at('STEP_ROLLED_BACK')).unsettled, 0)
  await operator.ended
  for (const { stream } of members) stream.call.cancel()
})

t.test('denials are bounded without a comparison; a workload with one sidecar waits', async (t) => {
  const bench = await setUp(t, 2)
  await bench.control.apply(workload('single'))
  const single = new Member(await bench.control.join('single'), 'single-1')
  await until('connected', () => single.updates === 1)
  const documents = [JSON.stringify(allow('new', DENY))]
  const operator = bench.begin({ documents, maxDenials: 2, percent: 50 })
  await watching(bench, operator)
  t.same(operator.events[0]?.withoutCanary, ['spiffe://test.local/ns/default/sa/single'])
  t.equal(single.policies['new'], undefined)
  const [canary] = operator.canaries()
  canary!.report({ requests: 200, denied: 2 })
  await heard(bench.control, bench.members)
  t.notOk(operator.events.some(({ step }) => step === 'STEP_ROLLING_BACK'))
  canary!.report({ requests: 201, denied: 3 })
  t.match((await operator.at('STEP_ROLLING_BACK')).reasons, [{ code: 'canary-max-denials' }])
  await bench.settle()
  await operator.ended
  for (const { stream } of [...bench.members, single]) stream.call.cancel()
})

t.test('who asked has gone: the change goes too', async (t) => {
  const bench = await setUp(t)
  const operator = bench.begin()
  await watching(bench, operator)
  const [canary] = operator.canaries()
  t.ok(canary?.policies['new'])
  operator.call.cancel()
  await until('taken back', () => {
    bench.control.clock.advance(100)
    return canary?.policies['new'] === undefined
  })
  const interrupted = bench.begin()
  await watching(bench, interrupted)
  interrupted.call.send({ abort: {} })
  t.match((await interrupted.at('STEP_ROLLING_BACK')).reasons, [{ code: 'canary-aborted', message: /interrupted/ }])
  await bench.settle()
  await interrupted.at('STEP_ROLLED_BACK')
  for (const { stream } of bench.members) stream.call.cancel()
})

t.test('after a restart of the control server a canary is given what is stored', async (t) => {
  const bench = await setUp(t)
  const { control } = bench
  const operator = bench.begin()
  await watching(bench, operator)
  const [canary] = operator.canaries()
  const held = Object.entries(canary!.policies).map(([name, revision]) => ({ name, revision }))
  t.ok(held.some(({ name }) => name === 'new'))
  await control.close()

  const again = await startTestControl(t, { data: control.data }, control.clock)
  const sidecar = await again.join('orders')
  const back = openStream(sidecar, {
    sidecarId: canary!.name,
    programVersion: '1.0',
    held: held.map(({ name, revision }) => ({
      name: { kind: 'AuthorizationPolicy', namespace: 'default', name },
      revision,
    })),
  })
  const update = await back.next()
  t.same(
    update.removed.map(({ name }) => name),
    ['new'],
  )
  t.ok(update.revision >= canary!.revision, 'in a revision that it does not refuse as older')
  back.call.cancel()
})

t.test('what cannot be a canary is refused, and nothing has begun', async (t) => {
  const bench = await setUp(t, 1)
  const refused = async (start: Partial<CanaryStart>, code: string): Promise<void> => {
    const { ended, events } = bench.begin(start)
    await t.rejects(ended, { code })
    t.same(events, [])
  }
  await refused({}, 'canary-nobody')
  await refused({ documents: [JSON.stringify(workload('more'))] }, 'canary-kind')
  await refused({ documents: [JSON.stringify(apiKey())] }, 'canary-kind')
  await refused({ percent: 0 }, 'canary-percent')
  await refused({ percent: 100 }, 'canary-percent')
  await refused({ watch: { seconds: 1, nanos: 0 } }, 'canary-watch')
  await refused({ documents: ['{}'] }, 'resources-refused')
  const same = bench.begin({ documents: [JSON.stringify(allow('orders', { workloads: ['orders'] }))] })
  t.match((await same.at('STEP_PROMOTED')).outcomes, [{ change: 'CHANGE_UNCHANGED' }], 'nothing to do is done')
  await same.ended
  await bench.control.apply(allow('other'))
  for (const { stream } of bench.members) stream.call.cancel()
})
