import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { parseSpiffeId, parseTrustDomain } from '../../../src/identity/spiffe-id.ts'
import { verifyPeer } from '../../../src/identity/verify.ts'
import type { TrustBundle } from '../../../src/identity/bundle.ts'
import { secretType } from '../../../src/control/kubernetes/kept-secret.ts'
import { configMapType, trustConfigMap } from '../../../src/control/kubernetes/trust-config-map.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { startKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { temporaryFolder, until } from '../../fixtures/process.ts'
import {
  comes,
  CONTROL_NAMESPACE,
  installSecret,
  joinCa,
  type Member,
  mountSecret,
  secretData,
  secretVersion,
  sequenceComes,
  sharedDomain,
} from '../../fixtures/shared-ca.ts'

checkLeaks(t)

const DAY = 86_400_000
const SECRET = /\/secrets\/outrider-ca/

/** All that a bundle says, to compare. */
const said = ({ sequence, authorities, tainted, jwtAuthorities }: TrustBundle): object => ({
  sequence,
  authorities: authorities.map(({ fingerprint }) => fingerprint),
  tainted: [...tainted],
  jwt: [...jwtAuthorities.keys()],
})
const states = ({ ca }: Member): readonly string[] => ca.authority.standings.map(({ state }) => state)
const root = ({ ca }: Member): string => ca.authority.active.fingerprint

function accepts(by: Member, from: Member): string {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const id = parseSpiffeId(`spiffe://${sharedDomain}/ns/default/sa/web`)
  const { chain } = from.ca.authority.issue({ id, publicKey }, DAY, Date.now())
  return verifyPeer(chain, new Map([[sharedDomain, by.ca.authority.bundle.current]]), Date.now()).kind
}

t.test('the first start makes a CA in the Secret, which is all there is of it', async (t) => {
  const api = await startKubernetes(t)
  await t.rejects(joinCa(t, api.connection), { code: 'ca-secret-missing', message: /outrider install/ })
  installSecret(api)
  const first = await joinCa(t, api.connection)
  const { id } = first.ca.authority.active
  const names = ['jwt.key', 'root.key', 'root.pem', 'signer.key', 'signer.pem'].map((name) => `${id}.${name}`)
  t.same(Object.keys(secretData(api)).toSorted(), [...names, 'authorities.json'].toSorted())
  t.match(api.all(secretType)[0], { type: 'Opaque', metadata: { labels: { 'app.kubernetes.io/part-of': 'outrider' } } })

  const second = await joinCa(t, api.connection)
  t.same(said(second.ca.authority.bundle.current), said(first.ca.authority.bundle.current))
  t.same([accepts(first, second), accepts(second, first)], ['verified', 'verified'])
  const texts = [...first.lines, ...second.lines].map((line) => JSON.stringify(line)).join()
  t.notMatch(texts, /PRIVATE KEY|LS0tLS1CRUdJTiBQUklWQVRF/, 'no key is in the log')
})

t.test('of servers that start at the same moment one makes the CA, and all have it', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const api = await startKubernetes(t)
    installSecret(api)
    const random = seeded(seed)
    const members = await Promise.all(
      Array.from({ length: 3 }, async () => {
        for (let turns = Math.floor(random() * 6); turns > 0; turns -= 1) await new Promise(setImmediate)
        return joinCa(t, api.connection)
      }),
    )
    if (new Set(members.map(root)).size > 1) t.fail(`several CAs with seed ${seed}`)
    const writes = api.asked.filter(({ method, path }) => method === 'PUT' && SECRET.test(path)).length
    t.equal(api.all(secretType).length, 1)
    t.ok(writes >= 1 && writes <= 3)
    for (const { ca, client } of members) {
      ca.close()
      client.close()
    }
    await api.stop()
  }
})

t.test('a CA that is damaged is refused, and never replaced', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const { ca, client } = await joinCa(t, api.connection)
  ca.close()
  client.close()
  const whole = secretData(api)
  const { id } = ca.authority.active
  const without = (key: string): object => Object.fromEntries(Object.entries(whole).filter(([name]) => name !== key))
  const damages: readonly (readonly [string, object])[] = [
    ...Object.keys(whole).map((key) => ['ca-file-missing', without(key)] as const),
    ...Object.keys(whole).map((key) => ['ca-file-corrupt', { ...whole, [key]: '' }] as const),
    ['ca-file-corrupt', { ...whole, [`${id}.root.pem`]: 'not base64 at all' }],
    ['ca-key-mismatch', { ...whole, [`${id}.root.key`]: whole[`${id}.signer.key`] }],
    ['ca-file-unreadable', { ...whole, [`${id}.root.pem`]: Buffer.alloc(70_000, 'x').toString('base64') }],
    ['ca-file-missing', { 'tls.crt': '' }],
  ]
  for (const [code, data] of damages) {
    installSecret(api, Object.fromEntries(Object.entries(data)))
    const version = secretVersion(api)
    await t.rejects(joinCa(t, api.connection), { code, message: /^[^\n]{10,300}$/ })
    t.equal(secretVersion(api), version, 'nothing is written')
  }
  installSecret(api, { ...whole, note: 'aGVsbG8=' })
  const again = await joinCa(t, api.connection)
  await again.ca.change((authority) => authority.prepare())
  t.equal(secretData(api)['note'], 'aGVsbG8=', 'what is not ours stays')
  await t.rejects(joinCa(t, api.connection, { trustDomain: parseTrustDomain('other.example') }), {
    code: 'ca-trust-domain',
  })
})

t.test('where a mesh is known, an empty Secret is not filled', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  await t.rejects(joinCa(t, api.connection, { meshKnown: true }), { code: 'ca-secret-empty', message: /backup/ })
  const roots = { roots: makeTestCa(sharedDomain).pem, sequence: 3 }
  api.put(configMapType, { apiVersion: 'v1', ...trustConfigMap(roots, CONTROL_NAMESPACE) })
  await t.rejects(joinCa(t, api.connection), { code: 'ca-secret-empty', message: /outrider-trust/ })
  t.same(secretData(api), {})
})

t.test('a CA that is handed in is for the first start', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const given = (from: ReturnType<typeof makeTestCa>): { certificates: string; key: string } => ({
    certificates: from.pem,
    key: from.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  })
  const own = makeTestCa(sharedDomain)
  const first = await joinCa(t, api.connection, { given: given(own) })
  const second = await joinCa(t, api.connection, { given: given(own) })
  t.equal(root(first), root(second))
  t.same(first.ca.authority.active.root.der, own.der)
  await t.rejects(joinCa(t, api.connection, { given: given(makeTestCa(sharedDomain)) }), { code: 'ca-state' })
})

t.test('a root is replaced on one server, and all follow', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const [one, two] = [await joinCa(t, api.connection), await joinCa(t, api.connection)]
  const old = root(one)
  const steps: readonly (readonly [Member, Member, 'prepare' | 'activate' | 'taint' | 'revoke', readonly string[]])[] =
    [
      [one, two, 'prepare', ['active', 'prepared']],
      [two, one, 'activate', ['retired', 'active']],
      [one, two, 'taint', ['tainted', 'active']],
      [two, one, 'revoke', ['active']],
    ]
  let sequence = 1
  for (const [here, there, step, expected] of steps) {
    sequence += 1
    await here.ca.change((authority) => authority[step]())
    await sequenceComes(there, sequence)
    t.same(said(there.ca.authority.bundle.current), said(here.ca.authority.bundle.current), step)
    t.same(states(there), expected)
    t.same([accepts(one, two), accepts(two, one)], ['verified', 'verified'])
  }
  t.not(root(two), old)
  t.notMatch(Object.keys(secretData(api)).join(), old.slice(0, 16), 'its keys are gone')
  await t.rejects(
    one.ca.change((authority) => authority.revoke()),
    { code: 'ca-state' },
    'what a step says is said',
  )
  t.equal(one.ca.authority.bundle.current.sequence, 5)
  t.equal(one.ca.fault.current, undefined)
})

t.test('of two steps at the same moment one counts, and the other is told', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const members = [await joinCa(t, api.connection), await joinCa(t, api.connection)]
  const results = await Promise.allSettled(members.map(({ ca }) => ca.change((authority) => authority.prepare())))
  const refused = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason)
  t.match(refused, [{ code: 'ca-changed-meanwhile', message: /outrider ca status/ }])
  for (const member of members) await sequenceComes(member, 2)
  t.same(members.map(states), [
    ['active', 'prepared'],
    ['active', 'prepared'],
  ])
  t.same(said(members[0]!.ca.authority.bundle.current), said(members[1]!.ca.authority.bundle.current))
})

t.test('somebody who changes something else of the Secret is in nobody’s way', async (t) => {
  let relabel: (() => void) | undefined
  const api = await startKubernetes(t, {
    answer: (method, path) => {
      if (method === 'PUT' && SECRET.test(path)) {
        relabel?.()
        relabel = undefined
      }
      return undefined
    },
  })
  installSecret(api)
  const { ca } = await joinCa(t, api.connection)
  relabel = () => {
    const [secret] = api.all(secretType)
    api.put(secretType, { ...secret!, metadata: { ...secret!.metadata, labels: { seen: 'yes' } } })
  }
  await ca.change((authority) => authority.prepare())
  t.equal(ca.authority.standings.length, 2)
  t.same(api.all(secretType)[0]?.metadata.labels, { seen: 'yes' })
})

t.test('an API server that is away: nothing is half applied', async (t) => {
  let lose: ((body: string) => { status: number; body: unknown } | undefined) | undefined
  const api = await startKubernetes(t, {
    answer: (method, path, body) => (method === 'PUT' && SECRET.test(path) ? lose?.(body) : undefined),
  })
  installSecret(api)
  const [one, two] = [await joinCa(t, api.connection), await joinCa(t, api.connection)]
  const store = (body: string): void => void api.put(secretType, JSON.parse(body))

  await t.test('before the step', async (t) => {
    await api.stop()
    await t.rejects(
      one.ca.change((authority) => authority.prepare()),
      { code: 'ca-write-failed', retryable: true },
    )
    t.same(states(one), ['active'])
    t.equal(accepts(two, one), 'verified', 'it goes on with what it has')
    await api.start()
  })
  await t.test('the write is refused', async (t) => {
    lose = () => ({ status: 403, body: { kind: 'Status', reason: 'Forbidden', message: 'no', code: 403 } })
    await t.rejects(
      one.ca.change((authority) => authority.prepare()),
      {
        code: 'ca-write-failed',
        retryable: false,
        message: /could not be changed: /,
      },
    )
    t.same(states(one), ['active'])
  })
  await t.test('the write is lost, and was not done', async (t) => {
    lose = () => ({ status: 504, body: { kind: 'Status', reason: 'Timeout', message: 'etcd', code: 504 } })
    await t.rejects(
      one.ca.change((authority) => authority.prepare()),
      { code: 'ca-write-failed', message: /504/ },
    )
    t.same(states(one), ['active'])
    t.equal(Object.keys(secretData(api)).length, 6)
  })
  await t.test('the answer is lost, and it was done', async (t) => {
    lose = (body) => {
      store(body)
      return { status: 504, body: { kind: 'Status', reason: 'Timeout', message: 'etcd', code: 504 } }
    }
    await one.ca.change((authority) => authority.prepare())
    t.same(states(one), ['active', 'prepared'])
    await sequenceComes(two, 2)
  })
  await t.test('it is done, and the API server goes away with the answer', async (t) => {
    let stopped: Promise<void> | undefined
    lose = (body) => {
      store(body)
      stopped = api.stop()
      return undefined
    }
    await t.rejects(
      one.ca.change((authority) => authority.activate()),
      {
        code: 'ca-write-failed',
        message: /not known yet: see "outrider ca status"/,
      },
    )
    t.same(states(one), ['active', 'prepared'], 'what is not known to be kept is not in force')
    await stopped
    lose = undefined
    await api.start()
    await Promise.all([sequenceComes(one, 3), sequenceComes(two, 3)])
    t.same(states(one), ['retired', 'active'])
    t.same(said(one.ca.authority.bundle.current), said(two.ca.authority.bundle.current))
  })
})

t.test('what happens to the Secret of a running mesh', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const one = await joinCa(t, api.connection)
  const members = [one, await joinCa(t, api.connection)]
  const before = secretData(api)
  await one.ca.change((authority) => authority.prepare())
  for (const member of members) await sequenceComes(member, 2)
  const now = secretData(api)
  const inForce = said(one.ca.authority.bundle.current)
  const unharmed = (): void => {
    for (const { ca } of members) t.same(said(ca.authority.bundle.current), inForce, 'what is in force stays')
  }
  const faulty = (code: string): Promise<unknown> =>
    Promise.all(members.map(({ ca }) => comes(ca.fault, (fault) => fault?.code === code)))
  const healed = (): Promise<unknown> =>
    Promise.all(members.map(({ ca }) => comes(ca.fault, (fault) => fault === undefined)))

  await t.test('emptied: it is written back', async (t) => {
    installSecret(api, {})
    await until('written back', () => Object.keys(secretData(api)).length > 0)
    t.same(secretData(api), now)
    unharmed()
  })
  await t.test('deleted: said, and written back when it is there again', async (t) => {
    api.remove(secretType, 'outrider-ca', CONTROL_NAMESPACE)
    await faulty('ca-secret-missing')
    await t.rejects(
      one.ca.change((authority) => authority.activate()),
      { code: 'ca-secret-missing' },
    )
    unharmed()
    installSecret(api)
    await healed()
    t.same(secretData(api), now)
  })
  await t.test('damaged: not taken over, not replaced', async (t) => {
    installSecret(api, { ...now, 'authorities.json': 'e30=' })
    await faulty('ca-file-corrupt')
    await t.rejects(
      one.ca.change((authority) => authority.activate()),
      { code: 'ca-file-corrupt' },
    )
    t.equal(secretData(api)['authorities.json'], 'e30=')
    unharmed()
    installSecret(api, now)
    await healed()
  })
  await t.test('an old backup is put in its place', async (t) => {
    installSecret(api, before)
    await faulty('ca-sequence-fell')
    await t.rejects(
      one.ca.change((authority) => authority.prepare()),
      { code: 'ca-sequence-fell' },
    )
    await t.rejects(one.ca.renewSigners(), { code: 'ca-sequence-fell' })
    t.same(secretData(api), before)
    unharmed()
    installSecret(api, now)
    await healed()
    unharmed()
    await one.ca.change((authority) => authority.activate())
  })
})

t.test('what signs is renewed once for all', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const clock = new TestClock(Date.now())
  const members = [await joinCa(t, api.connection, { clock }), await joinCa(t, api.connection, { clock })]
  for (const { ca } of members) await ca.renewSigners()
  const untouched = secretVersion(api)
  clock.advance(250 * DAY)
  await Promise.all(members.map(({ ca }) => ca.renewSigners()))
  t.not(secretVersion(api), untouched)
  const signers = (): readonly string[] =>
    members.map(({ ca }) => ca.authority.active.signers[0]!.der.toString('base64'))
  await until('the same signer', () => new Set(signers()).size === 1)
  const kept = secretData(api)[`${members[0]!.ca.authority.active.id}.signer.pem`] ?? ''
  t.match(Buffer.from(kept, 'base64').toString().replaceAll('\n', ''), signers()[0])
  t.same(
    members.map(({ ca }) => ca.authority.active.signersNotAfterMs),
    Array(2).fill(clock.now() + 365 * DAY - (clock.now() % 1000)),
  )
  t.equal(members[0]!.ca.authority.bundle.current.sequence, 1)
})

t.test('a start without an API server', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const before = await joinCa(t, api.connection)
  const mounted = mountSecret(temporaryFolder(t), api)
  await before.ca.change((authority) => authority.prepare())
  before.ca.close()
  before.client.close()
  await api.stop()
  const one = await joinCa(t, api.connection, { mounted, meshKnown: true })
  t.equal(root(one), root(before), 'from the Secret that is mounted')
  t.equal(one.ca.authority.bundle.current.sequence, 1)
  t.match(one.lines, [{ level: 'warn', mounted }])

  const clock = new TestClock(Date.now())
  const waiting = joinCa(t, api.connection, { clock })
  let waited: unknown
  waiting.then(
    () => (waited = 'done'),
    (error: unknown) => (waited = error),
  )
  await until('time to give up', () => {
    clock.advance(50)
    return waited !== undefined
  })
  t.match(waited, { code: 'kubernetes-unreachable' }, 'after 45 s of trying')

  await api.start()
  await sequenceComes(one, 2)
  t.same(states(one), ['active', 'prepared'], 'it catches up')
})

/** Numbers from 0 to 1 that are the same in each run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
