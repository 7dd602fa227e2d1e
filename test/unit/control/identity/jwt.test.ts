import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { type JwtIssuerParts, jwtIssuer } from '../../../../src/control/identity/jwt.ts'
import { Catalogue } from '../../../../src/control/publish/catalogue.ts'
import { type VerifiedPeer, verifyPeer } from '../../../../src/identity/verify.ts'
import type { Resource, Revocation } from '../../../../src/policy/model.ts'
import type { AuditEvent } from '../../../../src/telemetry/audit.ts'
import { createLogger } from '../../../../src/telemetry/log.ts'
import { makeTestCa } from '../../../fixtures/ca.ts'
import { TestClock } from '../../../fixtures/clock.ts'
import { idOf, TRUST_DOMAIN } from '../../../fixtures/sidecar.ts'

const ca = makeTestCa(TRUST_DOMAIN)
const other = makeTestCa('other.test')
const clock = new TestClock(Date.now())
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function peerOf(issuer: typeof ca, path: string): VerifiedPeer {
  const peer = verifyPeer(issuer.issue(path).chainDer, issuer.bundles(), clock.now())
  if (peer.kind === 'refused') throw new Error(peer.message)
  return peer
}

function parts(events: AuditEvent[] = [], ...revocations: Revocation[]): JwtIssuerParts {
  const audit = { record: (event: AuditEvent) => void events.push(event), close: () => {} }
  const ids = [idOf('web'), idOf('api'), peerOf(other, '/ns/default/sa/web').id]
  return {
    signer: () => ({ keyId: 'key', privateKey }),
    trustDomain: ca.trustDomain,
    catalogue: new Catalogue([
      ...ids.map(
        (spiffeId, index): Resource => ({
          kind: 'Workload',
          metadata: { namespace: 'default', name: `w${index}` },
          spec: { spiffeId, selectors: [], dnsNames: [], upstreams: [] },
        }),
      ),
      ...revocations,
    ]),
    audit: { ...audit, recordRefusal: audit.record },
    clock,
    log: createLogger({ name: 'control', level: 'error', clock, sink: { write: () => {} } }),
  }
}

t.test('tokens of one identity are limited, and later go on; others have their own limit', async (t) => {
  const issue = jwtIssuer(parts())
  const web = { peer: peerOf(ca, '/ns/default/sa/web'), source: '127.0.0.1' }
  const api = { peer: peerOf(ca, '/ns/default/sa/api'), source: '127.0.0.1' }
  for (let count = 0; count < 1000; count += 1) await issue({ audience: ['db'] }, web)
  t.throws(() => issue({ audience: ['db'] }, web), {
    code: 'jwt-svid-rate',
    retryable: true,
    message: /100 .* a second/,
  })
  t.match(await issue({ audience: ['db'] }, api), { spiffeId: idOf('api') })
  clock.advance(1000)
  t.match(await issue({ audience: ['db'] }, web), { spiffeId: idOf('web') })
})

t.test('a server speaks for its own trust domain, whoever is registered', async (t) => {
  const issue = jwtIssuer(parts())
  const peer = peerOf(other, '/ns/default/sa/web')
  t.throws(() => issue({ audience: ['db'] }, { peer, source: '127.0.0.1' }), { code: 'identity-not-allowed' })
})

t.test('issue, refusal and revocation', async (t) => {
  const events: AuditEvent[] = []
  const peer = peerOf(ca, '/ns/default/sa/web')
  const caller = { peer, source: '127.0.0.1' }
  await jwtIssuer(parts(events))({ audience: ['db'] }, caller)
  t.match(events, [{ event: 'jwt-issued', spiffeId: peer.id, audience: ['db'], keyId: 'key', notAfter: /Z$/ }])
  const revoking = (spec: Partial<Revocation['spec']>): Revocation => ({
    kind: 'Revocation',
    metadata: { namespace: 'default', name: 'stolen' },
    spec: { serials: [], spiffeIds: [], ...spec },
  })
  for (const [spec, code] of [
    [{ serials: [peer.serial] }, 'svid-revoked'],
    [{ spiffeIds: [peer.id] }, 'identity-revoked'],
  ] as const) {
    const issue = jwtIssuer(parts(events, revoking(spec)))
    t.throws(() => issue({ audience: ['db'] }, caller), { code, message: /Revocation\/default\/stolen/ })
    t.match(events.at(-1), { event: 'jwt-refused', reason: code })
  }
})
