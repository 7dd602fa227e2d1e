import t from 'tap'
import { OutriderError } from '../../../src/lib/errors.ts'
import { type UpdateStream, WorkloadApiSource } from '../../../src/mtls/source/workload-api.ts'
import type { JWTBundlesResponse__Output } from '../../../src/wire/JWTBundlesResponse.ts'
import type { X509SVIDResponse__Output } from '../../../src/wire/X509SVIDResponse.ts'
import { makeTestCa, type TestLeaf } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { idOf, TRUST_DOMAIN } from '../../fixtures/sidecar.ts'

const ca = makeTestCa(TRUST_DOMAIN)
const other = makeTestCa('other.test')
const web = '/ns/default/sa/web'

/** Streams that the test feeds. */
class Feed<Message> {
  readonly opened: { tell: (message: Message) => void; end: (error?: OutriderError) => void }[] = []
  cancelled = 0

  readonly open = (): UpdateStream<Message> => {
    const listeners: { message?: (message: Message) => void; end?: (error: OutriderError | undefined) => void } = {}
    this.opened.push({ tell: (message) => listeners.message?.(message), end: (error) => listeners.end?.(error) })
    return {
      onMessage: (listener) => {
        listeners.message = listener
      },
      onEnd: (listener) => {
        listeners.end = listener
      },
      cancel: () => {
        this.cancelled += 1
      },
    }
  }

  get last(): (typeof this.opened)[number] {
    return this.opened.at(-1)!
  }
}

function bench(): {
  x509: Feed<X509SVIDResponse__Output>
  jwt: Feed<JWTBundlesResponse__Output>
  clock: TestClock
  events: string[]
  open: (signal?: AbortSignal) => Promise<WorkloadApiSource>
} {
  const x509 = new Feed<X509SVIDResponse__Output>()
  const jwt = new Feed<JWTBundlesResponse__Output>()
  const clock = new TestClock(Date.now())
  const events: string[] = []
  const codeOf = (error: unknown): string => String(Reflect.get(Object(error), 'code'))
  return {
    x509,
    jwt,
    clock,
    events,
    open: (signal = new AbortController().signal) =>
      WorkloadApiSource.open(
        {
          fetchX509Svid: x509.open,
          fetchJwtBundles: jwt.open,
          clock,
          random: () => 0.5,
          onChanged: () => void events.push('changed'),
          onRefused: (error) => void events.push(`refused ${codeOf(error)}`),
          onLost: (call, error, retryInMs) => void events.push(`lost ${call} ${codeOf(error)} ${retryInMs}`),
          onBundleRefused: (name, error) => void events.push(`left out ${name} ${codeOf(error)}`),
        },
        signal,
      ),
  }
}

interface Answer {
  readonly spiffeId?: string
  readonly key?: Buffer
  readonly federated?: Readonly<Record<string, Buffer>>
}

function answer(
  { chainDer, privateKey }: TestLeaf,
  { spiffeId, key, federated = {} }: Answer = {},
): X509SVIDResponse__Output {
  return {
    svids: [
      {
        spiffeId: spiffeId ?? idOf('web'),
        x509Svid: Buffer.concat(chainDer),
        x509SvidKey: key ?? privateKey.export({ type: 'pkcs8', format: 'der' }),
        bundle: ca.der,
        hint: '',
      },
    ],
    crl: [],
    federatedBundles: { ...federated },
  }
}

t.test('the first SVID, then each that replaces it, with the bundles of its message', async (t) => {
  const { x509, events, open } = bench()
  const opening = open()
  x509.last.tell(answer(ca.intermediate().issue(web), { federated: { 'spiffe://other.test': other.der } }))
  const source = await opening
  const first = source.credentials.current
  t.equal(first.svid.id, idOf('web'))
  t.equal(first.svid.chainDer.length, 2)
  t.same([...first.bundles.keys()], [TRUST_DOMAIN, 'other.test'])
  const seen: string[] = []
  source.credentials.subscribe(({ svid }) => void seen.push(svid.serial))
  x509.last.tell(answer(ca.issue(web)))
  const second = source.credentials.current
  t.same(seen, [second.svid.serial])
  t.same([...second.bundles.keys()], [TRUST_DOMAIN], 'what is not in the message is not believed any more')
  t.same(events, ['changed'])
  source.close()
  t.equal(x509.cancelled, 1)
})

t.test('a message that cannot be used changes nothing', async (t) => {
  const { x509, events, open } = bench()
  const opening = open()
  const good = ca.issue(web)
  x509.last.tell({ svids: [], crl: [], federatedBundles: {} })
  x509.last.tell(answer(good, { key: Buffer.alloc(0) }))
  x509.last.tell(answer(good, { key: Buffer.from('no key') }))
  x509.last.tell(answer(good, { spiffeId: idOf('api') }))
  x509.last.tell(answer(good))
  const source = await opening
  const first = source.credentials.current
  x509.last.tell(answer(ca.issue(web), { key: good.privateKey.export({ type: 'pkcs8', format: 'der' }) }))
  x509.last.tell(answer(makeTestCa(TRUST_DOMAIN).issue(web)))
  x509.last.tell(answer(ca.issue('/ns/default/sa/api'), { spiffeId: idOf('api') }))
  const [svid] = answer(ca.issue(web)).svids
  x509.last.tell({ svids: [{ ...svid!, bundle: Buffer.from('3082ffff00', 'hex') }], crl: [], federatedBundles: {} })
  t.equal(source.credentials.current, first)
  t.same(events, [
    'refused workload-api-incomplete',
    'refused workload-api-incomplete',
    'refused private-key-malformed',
    'refused svid-id-unexpected',
    'refused svid-key-mismatch',
    'refused key-id-mismatch',
    'refused svid-id-unexpected',
    'refused certificate-malformed',
  ])
  source.close()
})

t.test('a bundle of another trust domain that cannot be read is left out alone', async (t) => {
  const { x509, events, open } = bench()
  const opening = open()
  x509.last.tell(
    answer(ca.issue(web), {
      federated: {
        'spiffe://other.test': Buffer.from('nothing'),
        'spiffe://third.test/x': other.der,
        'third.test': other.der,
        [`spiffe://${TRUST_DOMAIN}`]: other.der,
        'spiffe://fine.test': makeTestCa('fine.test').der,
      },
    }),
  )
  const source = await opening
  const { bundles } = source.credentials.current
  t.same([...bundles.keys()], [TRUST_DOMAIN, 'fine.test'])
  t.ok(bundles.get(ca.trustDomain)?.authorities[0]?.der.equals(ca.der), 'our own is the one of the SVID')
  t.same(events, [
    'left out spiffe://other.test certificate-malformed',
    'left out spiffe://third.test/x workload-api-incomplete',
    'left out third.test spiffe-id-scheme',
  ])
  source.close()
})

t.test('keys of JWT-SVIDs come on a stream of their own, and an endpoint may have none', async (t) => {
  const { x509, jwt, events, open } = bench()
  const opening = open()
  const key = ca.issue(web).privateKey.export({ format: 'jwk' })
  const keys = [{ kty: key.kty, crv: key.crv, x: key.x, y: key.y, kid: 'k1', use: 'jwt-svid' }]
  const bundles = { [`spiffe://${TRUST_DOMAIN}`]: Buffer.from(JSON.stringify({ keys })) }
  jwt.last.tell({ bundles })
  x509.last.tell(answer(ca.issue(web)))
  const source = await opening
  const own = (): readonly string[] => [
    ...source.credentials.current.bundles.get(ca.trustDomain)!.jwtAuthorities.keys(),
  ]
  t.same(own(), ['k1'])
  const { svid } = source.credentials.current
  jwt.last.tell({ bundles: { [`spiffe://${TRUST_DOMAIN}`]: Buffer.from('{}') } })
  t.same(own(), [])
  t.equal(source.credentials.current.svid, svid, 'the SVID is no other for that')
  jwt.last.end(new OutriderError('rpc-unimplemented', 'none'))
  t.same(events, [
    `left out ${TRUST_DOMAIN} bundle-document-no-keys`,
    'changed',
    'lost FetchJWTBundles rpc-unimplemented undefined',
  ])
  source.close()
})

t.test('a stream that ends is opened again, ever more slowly; what there was stays', async (t) => {
  const { x509, clock, events, open } = bench()
  const opening = open()
  for (const ms of [500, 1000]) {
    x509.last.end(new OutriderError('rpc-permission-denied', 'not yet'))
    clock.advance(ms)
  }
  t.equal(x509.opened.length, 3)
  x509.last.tell(answer(ca.issue(web)))
  const source = await opening
  const { current } = source.credentials
  x509.last.end()
  clock.advance(500)
  t.equal(x509.opened.length, 4, 'after a message the wait is short again')
  t.equal(source.credentials.current, current)
  t.same(events, [
    'lost FetchX509SVID rpc-permission-denied 500',
    'lost FetchX509SVID rpc-permission-denied 1000',
    'lost FetchX509SVID undefined 500',
  ])
  source.close()
  x509.last.end()
  t.equal(clock.pending, 0)
})

t.test('an endpoint that can never answer, and a process that is told to stop', async (t) => {
  const never = bench()
  const opening = never.open()
  never.x509.last.end(new OutriderError('rpc-invalid-argument', 'no header'))
  await t.rejects(opening, { code: 'rpc-invalid-argument' })
  t.equal(never.clock.pending, 0)

  const stopped = bench()
  const stop = new AbortController()
  const waiting = stopped.open(stop.signal)
  stop.abort(new Error('stopped'))
  await t.rejects(waiting, { message: 'stopped' })
  t.equal(stopped.x509.cancelled, 1)
})
