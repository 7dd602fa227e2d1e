import t from 'tap'
import { parseBundle, type TrustBundleSet } from '../../../src/identity/bundle.ts'
import { loadSvid } from '../../../src/identity/svid.ts'
import { type VerifiedPeer, verifyPeer } from '../../../src/identity/verify.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import type { Credentials } from '../../../src/mtls/credentials.ts'
import { anyDistrust, withdrawnAuthorities } from '../../../src/mtls/distrust.ts'
import type { PeerRefusal } from '../../../src/mtls/peer.ts'
import { endWithCertificates, expiryOf, type Foundation } from '../../../src/sidecar/lifetime.ts'
import { makeTestCa, type TestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const GRACE = 5 * MINUTE
const [oldCa, newCa] = [makeTestCa('td.example'), makeTestCa('td.example')]

function bundlesOf(authorities: readonly TestCa[], tainted: readonly TestCa[] = [], sequence = 1): TrustBundleSet {
  const bundle = parseBundle({
    trustDomain: 'td.example',
    authorities: authorities.map(({ der }) => der),
    tainted: tainted.map((ca) => ca.bundle().authorities[0]!.fingerprint),
    sequence,
  })
  return new Map([[bundle.trustDomain, bundle]])
}

interface BenchOptions {
  readonly peer?: TestCa
  readonly own?: TestCa
  readonly ttlMs?: number
  readonly role?: 'client' | 'server'
  readonly bundles?: TrustBundleSet
}

class Bench {
  readonly clock = new TestClock()
  readonly start = this.clock.now()
  readonly events: string[] = []
  readonly credentials: WatchCell<Credentials>
  readonly foundation: Foundation
  readonly revoked = new WatchCell<string | undefined>(undefined)
  readonly stop: () => void

  constructor({ peer = oldCa, own = oldCa, ttlMs = HOUR, role = 'server', bundles }: BenchOptions = {}) {
    const both = bundlesOf([oldCa, newCa])
    const notAfterMs = this.start + ttlMs
    this.credentials = new WatchCell({ svid: this.svidOf(own, both, notAfterMs), bundles: bundles ?? both })
    const shown = peer.issue('/web', { notAfterMs: notAfterMs + HOUR })
    const verified = verifyPeer(shown.chainDer, both, this.start)
    if (verified.kind === 'refused') throw new Error(verified.message)
    this.foundation = { peer: verified, svid: this.credentials.current.svid }
    const revocations = {
      of: ({ id }: VerifiedPeer): PeerRefusal | undefined =>
        this.revoked.current === undefined
          ? undefined
          : { kind: 'refused', code: 'authority-withdrawn', message: `${id} is ${this.revoked.current}` },
      subscribe: (changed: () => void) => this.revoked.subscribe(changed),
    }
    const note = (what: string): void => void this.events.push(`${(this.clock.now() - this.start) / 1000} ${what}`)
    this.stop = endWithCertificates(
      {
        retire: () => note('retire'),
        close: () => note('close'),
        destroy: ({ code, farewell }) => note(farewell === undefined ? code : `${code} ${farewell}`),
      },
      this.foundation,
      {
        clock: this.clock,
        credentials: this.credentials,
        distrust: anyDistrust(withdrawnAuthorities(this.credentials), revocations),
        taintGraceMs: GRACE,
        role,
        onCut: ({ message }) => note(message),
      },
    )
  }

  svidOf(ca: TestCa, bundles: TrustBundleSet, notAfterMs: number): Credentials['svid'] {
    const { chainDer, privateKey } = ca.issue('/api', { notAfterMs })
    return loadSvid(chainDer, privateKey, bundles, this.clock.now())
  }

  renew(ca: TestCa, bundles: TrustBundleSet = this.credentials.current.bundles): void {
    this.credentials.set({ svid: this.svidOf(ca, bundles, this.clock.now() + HOUR), bundles })
  }

  setBundles(bundles: TrustBundleSet): void {
    this.credentials.set({ svid: this.credentials.current.svid, bundles })
  }
}

const EXPIRED = 'a certificate of the connection has expired: our own, spiffe://td.example/api'

t.test('a connection is wound up before its first certificate expires', async (t) => {
  const server = new Bench()
  t.equal(expiryOf(server.foundation), server.start + HOUR)
  server.clock.advance(2 * HOUR)
  t.same(server.events, ['3555 retire', '3577.5 close', `3600 ${EXPIRED}`, '3600 identity-expired'])
  t.equal(server.clock.pending, 0)

  const client = new Bench({ role: 'client' })
  client.clock.advance(2 * HOUR)
  t.same(
    client.events,
    ['3540 retire', '3570 close', `3599.75 ${EXPIRED}`, '3599.75 identity-expired'],
    'who asks leaves first',
  )

  const short = new Bench({ ttlMs: 30_000 })
  short.clock.advance(MINUTE)
  t.same(
    short.events.map((event) => event.split(' ')[0]),
    ['27.75', '28.875', '30', '30'],
  )
})

t.test('one that closes by itself leaves nothing behind', async (t) => {
  const bench = new Bench()
  bench.clock.advance(HOUR - 30_000)
  t.same(bench.events, ['3555 retire'])
  bench.stop()
  bench.clock.advance(HOUR)
  bench.setBundles(new Map())
  bench.revoked.set('revoked')
  t.same(bench.events, ['3555 retire'])
  t.equal(bench.clock.pending, 0)
})

t.test('a step of the wall clock is seen within a minute', async (t) => {
  const bench = new Bench()
  bench.clock.advance(10 * MINUTE)
  bench.clock.step(2 * HOUR)
  bench.clock.advance(MINUTE)
  t.match(bench.events.at(-1), /identity-expired$/)
  const back = new Bench()
  back.clock.step(-HOUR)
  back.clock.advance(HOUR)
  t.same(back.events, [], 'and one back makes nobody close early')
  back.stop()
})

t.test('a connection is cut when the root of either side is withdrawn', async (t) => {
  const peers = new Bench({ peer: newCa })
  peers.setBundles(bundlesOf([oldCa], [], 2))
  t.match(peers.events, [
    /^0 authority-withdrawn: the root [0-9a-f]{64} of spiffe:\/\/td\.example\/web is no longer in its trust bundle$/,
    /^0 identity-withdrawn outrider: authority-withdrawn: .*; clock 2026-/,
  ])
  t.equal(peers.clock.pending, 0)
  const own = new Bench({ peer: newCa })
  own.setBundles(bundlesOf([newCa], [], 2))
  t.match(own.events, [/root of our own certificate/, '0 identity-withdrawn'])
  const kept = new Bench({ peer: newCa })
  kept.setBundles(bundlesOf([newCa, oldCa], [], 2))
  t.same(kept.events, [])
  kept.stop()
})

t.test('whatever takes belief back cuts it', async (t) => {
  const bench = new Bench()
  bench.revoked.set('revoked')
  t.match(bench.events, [
    /spiffe:\/\/td\.example\/web is revoked/,
    /^0 identity-withdrawn outrider: authority-withdrawn/,
  ])
  const late = new Bench()
  late.stop()
  late.revoked.set('revoked')
  t.same(late.events, [])
})

t.test('our own tainted certificate is given up when there is another', async (t) => {
  const bench = new Bench({ peer: newCa })
  const tainted = bundlesOf([oldCa, newCa], [oldCa], 2)
  bench.setBundles(tainted)
  bench.clock.advance(1000)
  t.same(bench.events, [], 'there is none yet')
  bench.renew(newCa, tainted)
  bench.clock.advance(GRACE)
  t.match(bench.events, [
    '1 retire',
    '6 close',
    /^301 an authority of the connection is tainted: ours$/,
    '301 identity-withdrawn',
  ])
  t.equal(bench.clock.pending, 0)
})

t.test('the peer has as long to get another one', async (t) => {
  const bench = new Bench({ own: newCa })
  bench.setBundles(bundlesOf([oldCa, newCa], [oldCa], 2))
  bench.clock.advance(MINUTE)
  bench.setBundles(bundlesOf([oldCa, newCa], [oldCa], 3))
  bench.clock.advance(2 * GRACE)
  t.match(bench.events, ['300 retire', '305 close', /tainted: the peer's$/, '600 identity-withdrawn'])

  const opened = new Bench({ own: newCa, bundles: bundlesOf([oldCa, newCa], [oldCa], 2) })
  t.same(opened.events, [], 'a connection that is opened later has its time too: no loop of retiring and opening')
  opened.clock.advance(GRACE)
  t.same(opened.events, ['300 retire'])
  opened.stop()
})

t.test('a taint that is taken back is forgotten', async (t) => {
  const bench = new Bench({ own: newCa })
  bench.setBundles(bundlesOf([oldCa, newCa], [oldCa], 2))
  bench.clock.advance(MINUTE)
  bench.setBundles(bundlesOf([oldCa, newCa], [], 3))
  bench.clock.advance(10 * MINUTE)
  t.same(bench.events, [])
  bench.stop()
  t.equal(bench.clock.pending, 0)
})
