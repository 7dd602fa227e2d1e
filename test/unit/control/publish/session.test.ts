import t from 'tap'
import { diff } from '../../../../src/control/publish/diff.ts'
import { serve } from '../../../../src/control/publish/serve.ts'
import { Session, type SessionEvents } from '../../../../src/control/publish/session.ts'
import type { WorkloadPolicy } from '../../../../src/control/publish/resolve.ts'
import { parseSpiffeId } from '../../../../src/identity/spiffe-id.ts'
import { verifyPeer, type VerifiedPeer } from '../../../../src/identity/verify.ts'
import { OutriderError } from '../../../../src/lib/errors.ts'
import { protocols } from '../../../../src/rpc/load.ts'
import type { ServerDuplex } from '../../../../src/rpc/stream.ts'
import type { EncodedPolicyUpdate } from '../../../../src/wire/outrider/policy/v1/EncodedPolicyUpdate.ts'
import type { PolicyUpdate__Output } from '../../../../src/wire/outrider/policy/v1/PolicyUpdate.ts'
import type { SubscribeRequest__Output } from '../../../../src/wire/outrider/policy/v1/SubscribeRequest.ts'
import { makeTestCa } from '../../../fixtures/ca.ts'
import { TestClock } from '../../../fixtures/clock.ts'

const OPTIONS = { debounceMs: 100, debounceMaxMs: 10_000, nackBackoffMs: 5_000 }

class FakeStream implements ServerDuplex<SubscribeRequest__Output, EncodedPolicyUpdate> {
  /** As a sidecar reads them. */
  readonly sent: PolicyUpdate__Output[] = []
  readonly backlog = 0
  ended: OutriderError | 'ok' | undefined
  #message: (message: SubscribeRequest__Output) => void = () => {}
  #close: () => void = () => {}

  send(message: EncodedPolicyUpdate): void {
    const { PolicyService, EncodedPolicyUpdate } = protocols().policy
    this.sent.push(PolicyService.service.Subscribe.responseDeserialize(EncodedPolicyUpdate.serialize(message)))
  }
  end(error?: OutriderError): void {
    this.ended ??= error ?? 'ok'
    this.#close()
  }
  onClose(listener: () => void): void {
    this.#close = listener
  }
  onEnd(): void {}
  onMessage(listener: (message: SubscribeRequest__Output) => void): void {
    this.#message = listener
  }
  /** As rpc/stream.ts does: what the listener throws ends the call. */
  receive(message: SubscribeRequest__Output): void {
    try {
      this.#message(message)
    } catch (thrown) {
      if (!(thrown instanceof OutriderError)) throw thrown
      this.end(thrown)
    }
  }
}

function peer(clock: TestClock): VerifiedPeer {
  const ca = makeTestCa('test.local')
  const { chainDer } = ca.issue('spiffe://test.local/ns/default/sa/web')
  const verified = verifyPeer(chainDer, new Map([[ca.bundle().trustDomain, ca.bundle()]]), clock.now())
  if (verified.kind !== 'verified') throw new Error(verified.message)
  return verified
}

function name(text: string): { kind: string; namespace: string; name: string } {
  return { kind: 'Workload', namespace: 'default', name: text }
}

/** A session, and the policy it is to bring to its sidecar: workloads by name and revision. */
function setUp(): {
  clock: TestClock
  stream: FakeStream
  session: Session
  answers: string[]
  want: (wanted: Readonly<Record<string, number>>) => void
  hello: (held?: Readonly<Record<string, number>>) => void
  ack: (index?: number) => void
  nack: (names: readonly string[]) => void
  last: () => { changed: string[]; removed: string[] }
} {
  const clock = new TestClock(Date.now())
  const stream = new FakeStream()
  const answers: string[] = []
  let wanted: WorkloadPolicy = new Map()
  let revision = 0
  const events: SessionEvents = {
    hello: () => {},
    due: (session) => serve(session, diff(wanted, session.held), revision),
    listening: () => {},
    draining: () => {},
    health: () => {},
    apiKeysUsed: () => {},
    answered: (_session, result) => void answers.push(result),
    failed: (_session, thrown) => new OutriderError('internal-error', String(thrown)),
    closed: () => void answers.push('closed'),
  }
  const session = new Session(stream, peer(clock), OPTIONS, events, clock, () => 0.5)
  const answered = (index: number): { nonce: string; revision: number } => {
    const update = stream.sent.at(index)
    return { nonce: update?.nonce ?? 'none', revision: update?.revision ?? 0 }
  }
  return {
    clock,
    stream,
    session,
    answers,
    want: (next) => {
      revision += 1
      wanted = new Map(
        Object.entries(next).map(([text, at]) => [
          `Workload/default/${text}`,
          {
            revision: at,
            resource: {
              kind: 'Workload',
              metadata: { name: text, namespace: 'default' },
              spec: { spiffeId: parseSpiffeId(`spiffe://test.local/${text}`) },
            },
          },
        ]),
      )
    },
    hello: (held = {}) => {
      const versions = Object.entries(held).map(([text, at]) => ({ name: name(text), revision: at }))
      stream.receive({
        message: 'hello',
        hello: { sidecarId: 'one', programVersion: '1.0', held: versions, revision: 0 },
      })
    },
    ack: (index = -1) => stream.receive({ message: 'ack', ack: answered(index) }),
    nack: (names) => {
      const violations = names.map((text) => ({ resource: name(text), field: 'spec', code: 'bad', message: 'no' }))
      stream.receive({ message: 'nack', nack: { ...answered(-1), violations } })
    },
    last: () => {
      const update = stream.sent.at(-1)
      return {
        changed: (update?.changed ?? []).map((resource) => resource.name?.name ?? '?'),
        removed: (update?.removed ?? []).map((removed) => removed.name ?? '?'),
      }
    },
  }
}

t.test('the first update comes at once, with the difference to what the sidecar holds', async (t) => {
  const { want, hello, last, stream, session, ack } = setUp()
  want({ web: 3, api: 2 })
  hello({ web: 1, api: 2, old: 1 })
  t.same(last(), { changed: ['web'], removed: ['old'] })
  t.equal(session.state, 'pending')
  ack()
  t.equal(session.state, 'synced')
  t.equal(session.appliedRevision, 1)
  t.equal(stream.sent.length, 1)
})

t.test('the first update is sent when there is no difference, later ones are not', async (t) => {
  const { want, hello, last, stream, session, ack, clock } = setUp()
  want({ web: 1 })
  hello({ web: 1 })
  t.same(last(), { changed: [], removed: [] })
  ack()
  session.wake()
  clock.advance(100)
  t.equal(stream.sent.length, 1)
})

t.test('changes wait for each other, but not for ever', async (t) => {
  const { want, hello, stream, session, ack, clock } = setUp()
  want({})
  hello()
  ack()
  want({ web: 1 })
  session.wake()
  clock.advance(99)
  session.wake()
  clock.advance(99)
  t.equal(stream.sent.length, 1, 'each change opens the window anew')
  clock.advance(1)
  t.equal(stream.sent.length, 2)
  ack()
  want({ web: 2 })
  for (let waited = 0; waited < 10_000; waited += 50) {
    session.wake()
    t.equal(stream.sent.length, 2)
    clock.advance(50)
  }
  t.equal(stream.sent.length, 3, 'after ten seconds of changes')
})

t.test('a slow sidecar has one update in flight and gets the rest merged', async (t) => {
  const { want, hello, last, stream, session, ack, clock } = setUp()
  want({ web: 1 })
  hello()
  for (const wanted of [{ web: 2 }, { web: 3, api: 3 }, { web: 4, db: 4 }]) {
    want(wanted)
    session.wake()
    clock.advance(1000)
  }
  t.equal(stream.sent.length, 1)
  ack()
  t.equal(stream.sent.length, 2, 'at the ack, at once')
  t.same(last(), { changed: ['web', 'db'], removed: [] })
  t.equal(stream.sent[1]?.revision, 4)
  t.not(stream.sent[0]?.nonce, stream.sent[1]?.nonce)
})

t.test('an answer to an update that is not in flight is ignored, and not for ever', async (t) => {
  const { want, hello, stream, session, ack, answers } = setUp()
  want({ web: 1 })
  hello()
  stream.receive({ message: 'ack', ack: { nonce: '99', revision: 1 } })
  t.same(answers, ['stale'])
  t.equal(session.state, 'pending', 'the one in flight stays so')
  ack()
  ack(0)
  t.same(answers, ['stale', 'acked', 'stale'])
  t.equal(session.appliedRevision, 1)
  for (let count = 0; count < 30; count += 1) ack(0)
  t.equal(stream.ended, undefined)
  ack(0)
  t.match(stream.ended, { code: 'stream-protocol' })
})

t.test('what was refused is sent again after the back-off, a mended form at once', async (t) => {
  const { want, hello, last, stream, session, ack, nack, clock } = setUp()
  want({ web: 1, api: 1 })
  hello()
  nack(['api'])
  t.equal(session.state, 'nacked')
  t.same(session.violations, ['Workload/default/api: spec: no (bad)'])
  session.wake()
  clock.advance(4_899)
  t.equal(stream.sent.length, 1, 'the same thing is not sent again')
  clock.advance(101)
  t.same(last(), { changed: ['api'], removed: [] }, 'after five seconds it is, without what was taken')
  nack(['api'])
  clock.advance(9_999)
  t.equal(stream.sent.length, 2, 'the back-off doubles')
  want({ web: 1, api: 2 })
  session.wake()
  clock.advance(100)
  t.same(last(), { changed: ['api'], removed: [] })
  ack()
  t.equal(session.state, 'synced')
  t.same(session.violations, [])
  const { length } = stream.sent
  clock.advance(100_000)
  t.equal(stream.sent.length, length, 'no retry is left behind')
})

t.test('other changes pass while one is refused; a refused one that is deleted is taken away', async (t) => {
  const { want, hello, last, session, ack, nack, clock } = setUp()
  want({ web: 1, api: 1 })
  hello()
  nack(['api'])
  want({ web: 2, api: 1 })
  session.wake()
  clock.advance(100)
  t.same(last(), { changed: ['web'], removed: [] })
  ack()
  t.equal(session.state, 'nacked', 'an ack of something else mends nothing')
  want({ web: 2 })
  session.wake()
  clock.advance(100)
  t.same(last(), { changed: [], removed: ['api'] })
  ack()
  t.equal(session.state, 'synced')
})

t.test('a nack that names nothing refuses the whole update', async (t) => {
  const { want, hello, last, nack, clock } = setUp()
  want({ web: 1, api: 1 })
  hello()
  nack([])
  clock.advance(5_000)
  t.same(last(), { changed: ['web', 'api'], removed: [] })
})

t.test('a stream begins with one hello that says who it is', async (t) => {
  const cases: readonly (readonly SubscribeRequest__Output[])[] = [
    [{ message: 'ack', ack: { nonce: '1', revision: 1 } }],
    [{}],
    [{ message: 'hello', hello: { sidecarId: '', programVersion: '1', held: [], revision: 0 } }],
    [{ message: 'hello', hello: { sidecarId: 'a b', programVersion: '1', held: [], revision: 0 } }],
    [{ message: 'hello', hello: { sidecarId: 'a', programVersion: '1\n2', held: [], revision: 0 } }],
    [
      { message: 'hello', hello: { sidecarId: 'a', programVersion: '1', held: [], revision: 0 } },
      { message: 'hello', hello: { sidecarId: 'a', programVersion: '1', held: [], revision: 0 } },
    ],
    [{ message: 'hello', hello: { sidecarId: 'a', programVersion: '1', held: [], revision: 0 } }, {}],
  ]
  for (const messages of cases) {
    const { stream } = setUp()
    for (const message of messages) stream.receive(message)
    t.match(stream.ended, { code: 'stream-protocol' }, JSON.stringify(messages))
  }
  const silent = setUp()
  silent.clock.advance(10_000)
  t.match(silent.stream.ended, { code: 'stream-protocol' })
})

t.test('a stream ends with the SVID it was opened with, and leaves no timer', async (t) => {
  const { want, hello, ack, stream, session, clock, answers } = setUp()
  want({})
  hello()
  ack()
  clock.advance(session.peer.notAfterMs - clock.now() - 1)
  t.equal(stream.ended, undefined)
  clock.advance(1)
  t.match(stream.ended, { code: 'svid-expired' })
  t.same(answers, ['acked', 'closed'])
  t.equal(clock.pending, 0)
})

t.test('a change that waits for more than ten seconds is a lag, until it is acknowledged', async (t) => {
  const { want, hello, session, ack, clock } = setUp()
  want({ web: 1 })
  hello()
  clock.advance(10_000)
  t.equal(session.state, 'pending')
  clock.advance(1)
  t.equal(session.state, 'lagging')
  t.equal(session.pendingMs, 10_001)
  want({ web: 2 })
  session.wake()
  clock.advance(100)
  ack()
  t.equal(session.state, 'lagging', 'what came meanwhile waits since the first was sent')
  ack()
  t.equal(session.state, 'synced')
  t.equal(session.pendingMs, 0)
  session.wake()
  t.equal(session.state, 'pending')
  clock.advance(100)
  t.equal(session.state, 'synced', 'nothing was to be sent')
  t.equal(session.pendingMs, 0)
})

t.test('an update that is not answered for a minute ends the stream', async (t) => {
  const { want, hello, stream, ack, clock, answers } = setUp()
  want({ web: 1 })
  hello()
  clock.advance(59_999)
  ack()
  clock.advance(60_000)
  t.equal(stream.ended, undefined, 'answered in time')
  const other = setUp()
  other.want({ web: 1 })
  other.hello()
  other.clock.advance(60_000)
  t.match(other.stream.ended, { code: 'update-unanswered', retryable: true })
  t.same(other.answers, ['closed'])
  t.same(answers, ['acked'])
})

t.test('a sidecar is asked for its health with the next update, which may be empty', async (t) => {
  const { want, hello, stream, session, ack, clock } = setUp()
  want({ web: 1 })
  session.askHealth(2000)
  hello()
  t.equal(stream.sent[0]?.reportHealthEveryMs, 2000)
  ack()
  session.askHealth(2000)
  clock.advance(100)
  t.equal(stream.sent.length, 1, 'it knows')
  session.askHealth(0)
  clock.advance(100)
  t.match(stream.sent[1], { reportHealthEveryMs: 0, changed: [], removed: [] })
})
