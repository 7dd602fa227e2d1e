import { TLSSocket } from 'node:tls'
import { createHash } from 'node:crypto'
import t from 'tap'
import { parseBundle, type TrustBundleSet } from '../../../src/identity/bundle.ts'
import { acceptedPeerOf, isStillTrusted, isTainted, MAX_KNOWN, peerOf } from '../../../src/mtls/peer.ts'
import { makeTestCa, type TestLeaf } from '../../fixtures/ca.ts'

const NOW = Date.UTC(2026, 5, 1)
const HOUR = 3_600_000
const ca = makeTestCa('td.example')
const bundles = ca.bundles()

/** As much of a socket as is looked at after a handshake. Counts how often a chain is read, which verifying begins with. */
class Shaken {
  chainsRead = 0
  authorized = true
  resumed = false
  readonly authorizationError = 'CERT_HAS_EXPIRED'
  readonly #chain: readonly Buffer[]

  constructor(chain: readonly Buffer[]) {
    this.#chain = chain
  }

  isSessionReused(): boolean {
    return this.resumed
  }

  getPeerCertificate(detailed = false): object {
    const [leaf] = this.#chain
    if (leaf === undefined) return {}
    if (!detailed) return { raw: leaf, fingerprint256: createHash('sha256').update(leaf).digest('hex') }
    this.chainsRead += 1
    let above: object | undefined
    for (const raw of this.#chain.toReversed()) above = { raw, issuerCertificate: above } satisfies Linked
    return above!
  }
}

type Linked = { raw: Buffer; issuerCertificate: object | undefined }

function shaken(leaf: TestLeaf | undefined): Shaken {
  return new Shaken(leaf?.chainDer ?? [])
}

/** What is used of a socket is what `Shaken` has. */
function asSocket(socket: Shaken): TLSSocket {
  const { authorized, authorizationError } = socket
  return Object.create(TLSSocket.prototype, {
    authorized: { value: authorized },
    authorizationError: { value: authorizationError },
    isSessionReused: { value: () => socket.isSessionReused() },
    getPeerCertificate: { value: (detailed?: boolean) => socket.getPeerCertificate(detailed) },
  })
}

function look(socket: Shaken, nowMs = NOW, at: TrustBundleSet = bundles): string {
  const peer = acceptedPeerOf(asSocket(socket), at, nowMs)
  return peer.kind === 'refused' ? peer.code : peer.id
}

const web = 'spiffe://td.example/web'

t.test('a leaf is verified once', async (t) => {
  const set = ca.bundles()
  const leaf = ca.issue('/web', { notBeforeMs: NOW - HOUR, notAfterMs: NOW + HOUR })
  const [first, second] = [shaken(leaf), shaken(leaf)]
  t.equal(look(first, NOW, set), web)
  t.equal(look(second, NOW, set), web)
  t.same([first.chainsRead, second.chainsRead], [1, 0])
  t.equal(
    acceptedPeerOf(asSocket(first), set, NOW),
    acceptedPeerOf(asSocket(second), set, NOW),
    'it is the very same peer',
  )
})

t.test('what was remembered expires', async (t) => {
  const set = ca.bundles()
  const leaf = ca.issue('/web', { notBeforeMs: NOW - HOUR, notAfterMs: NOW + HOUR })
  t.equal(look(shaken(leaf), NOW, set), web)
  const late = shaken(leaf)
  t.equal(look(late, NOW + HOUR - 1, set), web)
  t.equal(late.chainsRead, 0)
  t.equal(look(late, NOW + HOUR + 1, set), 'expired')
  t.equal(late.chainsRead > 0, true, 'verified anew')
})

t.test('it does not count before the moment since when it is known', async (t) => {
  const set = ca.bundles()
  const leaf = ca.issue('/web', { notBeforeMs: NOW - HOUR, notAfterMs: NOW + HOUR })
  t.equal(look(shaken(leaf), NOW, set), web)
  const early = shaken(leaf)
  t.equal(look(early, NOW - 1, set), web)
  t.equal(early.chainsRead, 1, 'verified anew')
  t.equal(look(early, NOW - 2 * HOUR, set), 'not-yet-valid', 'the clock was set back')
})

t.test('other bundles remember nothing', async (t) => {
  const set = ca.bundles()
  const leaf = ca.issue('/web', { notBeforeMs: NOW - HOUR, notAfterMs: NOW + HOUR })
  t.equal(look(shaken(leaf), NOW, set), web)
  t.equal(look(shaken(leaf), NOW, makeTestCa('td.example').bundles()), 'key-id-mismatch')
  t.equal(look(shaken(leaf), NOW, new Map()), 'trust-domain-unknown')
  const again = shaken(leaf)
  t.equal(look(again, NOW, ca.bundles()), web)
  t.equal(again.chainsRead, 1)
})

t.test('what is remembered is no way around the other checks', async (t) => {
  const set = ca.bundles()
  const leaf = ca.issue('/web', { notBeforeMs: NOW - HOUR, notAfterMs: NOW + HOUR })
  t.equal(look(shaken(leaf), NOW, set), web)
  const resumed = shaken(leaf)
  resumed.resumed = true
  t.equal(look(resumed, NOW, set), 'session-resumed')
  const unauthorized = shaken(leaf)
  unauthorized.authorized = false
  t.equal(look(unauthorized, NOW, set), 'chain-not-authorized')
  t.equal(look(shaken(undefined), NOW, set), 'no-certificate')
})

t.test('a refusal is not remembered', async (t) => {
  const set = ca.bundles()
  const leaf = ca.issue('/web', { notBeforeMs: NOW + HOUR, notAfterMs: NOW + 2 * HOUR })
  t.equal(look(shaken(leaf), NOW, set), 'not-yet-valid')
  t.equal(look(shaken(leaf), NOW + HOUR, set), web)
})

t.test('so many are remembered, and the oldest goes', async (t) => {
  const set = ca.bundles()
  const validity = { notBeforeMs: NOW - HOUR, notAfterMs: NOW + HOUR }
  const first = ca.issue('/web', validity)
  t.equal(look(shaken(first), NOW, set), web)
  const { privateKey } = first
  for (let index = 1; index < MAX_KNOWN; index += 1)
    look(shaken(ca.issue(`/w${index}`, { ...validity, privateKey })), NOW, set)
  const full = shaken(first)
  look(full, NOW, set)
  t.equal(full.chainsRead, 0, 'there is room for all of them')
  look(shaken(ca.issue('/one-more', { ...validity, privateKey })), NOW, set)
  const gone = shaken(first)
  t.equal(look(gone, NOW, set), web)
  t.equal(gone.chainsRead, 1)
})

t.test('a refusal says what was shown and what was expected', async (t) => {
  const refused = (leaf: TestLeaf): object => peerOf(asSocket(shaken(leaf)), bundles, NOW)
  t.match(refused(makeTestCa('td.example').issue('/web', { notAfterMs: NOW + HOUR })), {
    code: 'key-id-mismatch',
    presented: { ids: [web], issuerKeyId: /^[0-9a-f]{40}$/ },
    expected: /^one of the roots of td\.example: [0-9a-f]{16} \(key [0-9a-f]{40}\)$/,
  })
  t.match(refused(ca.issue('spiffe://foreign.example/web', { notAfterMs: NOW + HOUR })), {
    code: 'trust-domain-unknown',
    expected: 'one of the trust domains td.example',
  })
  const expired = refused(ca.issue('/web', { notAfterMs: NOW - 3 * HOUR }))
  t.match(expired, { code: 'expired', message: /^the leaf expired 3 h ago, .*; here it is 2026-06-01T00:00:00\.000Z$/ })
  t.notOk('expected' in expired)
})

t.test('trust that is taken back, and authorities that are given up', async (t) => {
  const peer = acceptedPeerOf(asSocket(shaken(ca.issue('/web', { notAfterMs: NOW + HOUR }))), bundles, NOW)
  if (peer.kind !== 'verified') throw new Error(peer.message)
  t.equal(isStillTrusted(peer, bundles), true)
  t.equal(isTainted(peer, bundles), false)
  const tainted = parseBundle({
    trustDomain: 'td.example',
    authorities: [ca.der],
    tainted: [peer.authorityFingerprint],
    sequence: 2,
  })
  t.equal(isTainted(peer, new Map([[tainted.trustDomain, tainted]])), true)
  t.equal(isStillTrusted(peer, new Map([[tainted.trustDomain, tainted]])), true)
  t.equal(isStillTrusted(peer, new Map()), false)
  t.equal(isTainted(peer, new Map()), false)
})
