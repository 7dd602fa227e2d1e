import t from 'tap'
import { LOCK_BYTES, ThreadLock } from '../../../../src/lib/thread-lock.ts'
import { compileAuthentication } from '../../../../src/policy/authentication.ts'
import { refuse } from '../../../../src/sidecar/refusal.ts'
import { RememberedAnswers } from '../../../../src/sidecar/authentication/remembered-answers.ts'
import { UsedProofs, usedProofsMemory } from '../../../../src/sidecar/authentication/used-proofs.ts'
import { VerifiedTokens } from '../../../../src/sidecar/authentication/verified-tokens.ts'
import { digestWith } from '../../../../src/sidecar/workers/sent.ts'
import { accepting, jwtOf, makeIssuer } from '../../../fixtures/user-tokens.ts'

const { authentication } = compileAuthentication([accepting({ jwt: [jwtOf(makeIssuer())] })], [])
const [place] = authentication.headers.get('authorization')!
const [accepted] = [...place!.issuers.values()][0]!
const verified = (expiresAtMs: number) => ({
  token: { issuer: 'i', subject: undefined, claims: {}, expiresAtMs },
  confirmation: undefined,
  accepted: accepted!,
  headers: [],
})

t.test('verified tokens: a minute at most, never past their end, and of one policy', async (t) => {
  const tokens = new VerifiedTokens()
  tokens.add('a', place!, authentication, verified(1_000_000), 0)
  tokens.add('b', place!, authentication, verified(10_000), 0)
  t.ok(tokens.find('a', place!, authentication, 59_999))
  t.equal(tokens.find('a', place!, authentication, 60_000), undefined)
  t.ok(tokens.find('b', place!, authentication, 9999))
  t.equal(tokens.find('b', place!, authentication, 10_000), undefined)
  t.equal(tokens.find('a', { ...place! }, authentication, 0), undefined, 'at another place others are accepted')
  const next = { ...authentication }
  t.equal(tokens.find('a', place!, next, 0), undefined, 'of another policy')
  tokens.add('c', place!, next, verified(10_000), 0)
  t.equal(tokens.size, 1)
  tokens.clear()
  t.equal(tokens.find('c', place!, next, 0), undefined)
})

t.test('verified tokens are bounded, in number and in bytes', async (t) => {
  const tokens = new VerifiedTokens()
  for (let index = 0; index < 5000; index += 1) tokens.add(`t${index}`, place!, authentication, verified(1e9), 0)
  t.equal(tokens.size, 4096)
  t.ok(tokens.find('t4999', place!, authentication, 0), 'the newest')
  t.equal(tokens.find('t0', place!, authentication, 0), undefined, 'not the oldest')
  for (let index = 0; index < 1000; index += 1)
    tokens.add(`${index}`.padEnd(16_000, 'x'), place!, authentication, verified(1e9), 0)
  t.equal(tokens.size, Math.floor((4 * 1024 * 1024) / 16_000))
})

t.test('remembered answers are bounded, in number and in bytes', async (t) => {
  const answers = new RememberedAnswers()
  const good = (text: string) => ({
    token: { issuer: 'i', subject: undefined, claims: { text }, expiresAtMs: 1e9 },
    confirmation: undefined,
    headers: [],
  })
  for (let index = 0; index < 5000; index += 1) answers.add(`t${index}`, refuse('token-inactive'), 1000)
  t.equal(answers.size, 4096)
  t.ok(answers.find('t4999', 999))
  t.equal(answers.find('t4999', 1000), undefined)
  for (let index = 0; index < 1000; index += 1) answers.add(`l${index}`, good('x'.repeat(60_000)), 1000)
  t.ok(answers.size < 300, `${answers.size} large ones`)
})

t.test('used proofs: once for all threads, for as long as they serve', async (t) => {
  const memory = usedProofsMemory()
  const lock = new SharedArrayBuffer(LOCK_BYTES)
  let now = 0
  const [one, two] = [1, 2].map(
    (holder) =>
      new UsedProofs({ memory, lock: new ThreadLock(lock, holder), digest: digestWith('s'), monotonic: () => now }),
  )
  t.equal(one!.use('k', 'a', 1000), 'first')
  t.equal(two!.use('k', 'a', 1000), 'again')
  t.equal(two!.use('l', 'a', 1000), 'first', 'of another key')
  now = 1001
  t.equal(two!.use('k', 'a', 1000), 'first', 'it would be too old by now')
})

t.test('a full table refuses what it cannot remember, and has room again', async (t) => {
  const lock = { enter: () => {}, leave: () => {} }
  let now = 0
  const proofs = new UsedProofs({ memory: usedProofsMemory(), lock, digest: digestWith('s'), monotonic: () => now })
  const uses = new Map<string, number>()
  for (let index = 0; index < 70_000; index += 1) {
    const use = proofs.use('k', String(index), 60_000)
    uses.set(use, (uses.get(use) ?? 0) + 1)
  }
  t.equal(uses.get('again'), undefined)
  t.ok(uses.get('first')! <= 65_536, `${uses.get('first')} remembered`)
  t.equal(uses.get('first')! + uses.get('no-room')!, 70_000)
  t.equal(proofs.use('k', '0', 60_000), 'again', 'what was remembered stays so')
  now = 60_001
  t.equal(proofs.use('k', 'next', 60_000), 'first')
})
