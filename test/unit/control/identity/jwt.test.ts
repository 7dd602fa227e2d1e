import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { type JwtIssuerParts, jwtIssuer } from '../../../../src/control/identity/jwt.ts'
import { Catalogue } from '../../../../src/control/publish/catalogue.ts'
import { type VerifiedPeer, verifyPeer } from '../../../../src/identity/verify.ts'
import { OutriderError } from '../../../../src/lib/errors.ts'
import type { AuditEvent } from '../../../../src/telemetry/audit.ts'
import { createLogger } from '../../../../src/telemetry/log.ts'
import { makeTestCa } from '../../../fixtures/ca.ts'
import { TestClock } from '../../../fixtures/clock.ts'
import { idOf, TRUST_DOMAIN } from '../../../fixtures/sidecar.ts'

const ca = makeTestCa(TRUST_DOMAIN)
const other = makeTestCa('other.test')
const clock = new TestClock(Date.now())
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const audited: AuditEvent[] = []

function peerOf(issuer: typeof ca, path: string): VerifiedPeer {
  const peer = verifyPeer(issuer.issue(path).chainDer, issuer.bundles(), clock.now())
  if (peer.kind === 'refused') throw new Error(peer.message)
  return peer
}

function parts(): JwtIssuerParts {
  const ids = [idOf('web'), idOf('api'), peerOf(other, '/ns/default/sa/web').id]
  return {
    signer: () => ({ keyId: 'key', privateKey }),
    trustDomain: ca.trustDomain,
    catalogue: new Catalogue(
      ids.map((spiffeId, index) => ({
        kind: 'Workload',
        metadata: { namespace: 'default', name: `w${index}` },
        spec: { spiffeId, upstreams: [], selectors: [], dnsNames: [] },
      })),
    ),
    audit: {
      record: (event) => void audited.push(event),
      recordRefusal: (event) => void audited.push(event),
      close: () => {},
    },
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
  t.match(audited.at(-1), { event: 'jwt-svid-refused', source: peer.id, reason: 'identity-not-allowed' })
})

t.test('each token has a line in the audit log, without which it is not given out', async (t) => {
  const web = { peer: peerOf(ca, '/ns/default/sa/web'), source: '127.0.0.1' }
  const { token } = await jwtIssuer(parts())({ audience: ['db'] }, web)
  t.match(audited.at(-1), { event: 'jwt-svid-issued', spiffeId: idOf('web'), audience: ['db'], address: '127.0.0.1' })
  t.notMatch(JSON.stringify(audited), token)
  const full = (): never => {
    throw new OutriderError('audit-unwritable', 'no space')
  }
  const issue = jwtIssuer({ ...parts(), audit: { record: full, recordRefusal: full, close: () => {} } })
  t.throws(() => issue({ audience: ['db'] }, web), { code: 'audit-unwritable' })
})
