// Everything that a forger can show, to the parts that must not believe it: the listeners and the clients of a sidecar, the
// control server, and the check of tokens. The rules themselves are tested in test/unit/identity; this is the way to them.
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, createServer } from 'node:tls'
import t, { type Test } from 'tap'
import { basicConstraints, keyUsage, keyUsageBits, uriAltNames } from '../../../src/identity/extension.ts'
import { buildCsr } from '../../../src/identity/csr.ts'
import { verifyJwtSvid } from '../../../src/identity/jwt-svid.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import type { Svid } from '../../../src/identity/svid.ts'
import { encodeName } from '../../../src/identity/x509.ts'
import { parseAddress } from '../../../src/lib/address.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { OutriderError } from '../../../src/lib/errors.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import { originate, type Originated } from '../../../src/mtls/client.ts'
import { bundlesOf, wireBundles } from '../../../src/rpc/bundles.ts'
import { connectControl, type ControlClient } from '../../../src/rpc/client.ts'
import { protocols } from '../../../src/rpc/load.ts'
import { formatJoinToken, parseJoinToken } from '../../../src/rpc/token.ts'
import { boundAddress, startApp, type TestApp } from '../../fixtures/app.ts'
import { makeKey, makeTestCa, type TestLeaf } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { CONTROL_ID, joinMesh, startTestControl, type TestControl, workload } from '../../fixtures/control.ts'
import { altNames, attribute, dnsName, makeCsr, type Request, uriName } from '../../fixtures/csr.ts'
import { encodePart, makeJwtAuthority, signCompact } from '../../fixtures/jwt.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  clientTls,
  eventually,
  idOf,
  policyOf,
  startTestSidecar,
  type TestSidecar,
  wireTls,
} from '../../fixtures/sidecar.ts'
import {
  ca,
  forgedCertificates,
  NOT_SHOWN,
  partner,
  type Place,
  TRUST_DOMAIN,
  WEB,
  WEB_ID,
} from './forged-certificates.ts'

checkLeaks(t)

const REQUEST = 'GET / HTTP/1.1\r\nhost: api\r\n\r\n'
/** The forger's OpenSSL shows whatever it is given. */
const careless = { ciphers: 'DEFAULT@SECLEVEL=0' }
/** The sidecars know a second mesh: OpenSSL is given the roots of both. */
const bundles = new Map([...ca.bundles(), ...partner.bundles()])
/** Forgeries by where they were shown, and the codes they were refused with. */
const refusals = new Map<string, number>()
const codes = new Set<string>()

function refused(where: string, code: string): void {
  refusals.set(where, (refusals.get(where) ?? 0) + 1)
  codes.add(code)
}

function codeAt(
  place: Place,
  { code, at }: { readonly code: string; readonly at?: Readonly<Partial<Record<Place, string>>> },
): string {
  return at?.[place] ?? code
}

const everything = policyOf({ policies: [allow('all')] })

/** Why the listener refused whoever comes with these options: `accepted` when it did not. */
async function refusalOf(t: Test, api: TestSidecar, app: TestApp, options: ConnectionOptions): Promise<string> {
  const asked = app.seen.length
  const client = wireTls(t, api.inbound, options)
  // Written before the handshake, so that it leaves with its last message.
  client.socket.write(REQUEST)
  await once(client.socket, 'connect')
  const remote = `127.0.0.1:${client.socket.localPort}`
  const isAccepted = await client.match(/^HTTP\/1\.1 200/).then(
    () => true,
    () => false,
  )
  if (isAccepted) {
    client.socket.destroy()
    return 'accepted'
  }
  await client.closed
  const found = (): string | undefined =>
    api.runtime.tlsFailures.list().find((failure) => failure.remote === remote)?.reason
  await eventually(() => found() !== undefined, 'the failure is reported')
  // Who has shown an SVID is told what is wrong with it.
  if (!/^(?:HTTP\/1\.1 403 Forbidden\r\n[^]*)?$/.test(client.text)) t.fail(`answered: ${client.text}`)
  t.equal(app.seen.length, asked)
  return found()!
}

t.test('a sidecar that is connected to', async (t) => {
  const app = await startApp(t)
  const api = await startTestSidecar(t, { ca, id: '/ns/default/sa/api', bundles, policy: everything, app: app.address })
  for (const forged of forgedCertificates) {
    const options = { ...clientTls(ca, forged.forge()), rejectUnauthorized: false, ...careless }
    const reason = await refusalOf(t, api, app, options)
    t.equal(reason, codeAt('inbound', forged), forged.what)
    refused('inbound', reason)
  }
  const good = wireTls(t, api.inbound, clientTls(ca, ca.issue(WEB)))
  good.socket.write(REQUEST)
  await good.match(/^HTTP\/1.1 200/)
})

t.test('a sidecar that connects', async (t) => {
  const server = createServer({ ALPNProtocols: ['h2'], requestCert: true, rejectUnauthorized: false, ...careless })
  let received = 0
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {})
    socket.on('data', ({ length }: Buffer) => {
      received += length
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const { credentials, runtime } = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    bundles,
    policy: everything,
  })
  const dial = (leaf: TestLeaf): Promise<Originated> => {
    server.setSecureContext({ cert: leaf.chainPem, key: leaf.keyPem, ...careless })
    const { port } = boundAddress(server)
    const identities = new Set([parseSpiffeId(WEB_ID)])
    const { distrust } = runtime
    const options = {
      host: '127.0.0.1',
      port,
      credentials: credentials.current,
      identities,
      distrust,
      timeoutMs: 10_000,
    }
    return new Promise((resolve) => originate({ ...options, clock: systemClock }, resolve))
  }
  const others: readonly (readonly [what: string, code: string, leaf: TestLeaf])[] = [
    ['another workload', 'identity-not-expected', ca.issue('/ns/default/sa/api')],
    ['the same name in another namespace', 'identity-not-expected', ca.issue('/ns/other/sa/web')],
    ['an ID that begins like the right one', 'identity-not-expected', ca.issue(`${WEB}/more`)],
    ['the right path in the trust domain of the partner', 'identity-not-expected', partner.issue(WEB)],
    ['the control server', 'identity-not-expected', ca.issue('/outrider/control')],
    ['the right ID in capitals', 'identity-not-expected', ca.issue('/ns/default/sa/WEB')],
  ]
  const forgeries = [
    ...forgedCertificates.map((forged) => [forged.what, codeAt('outbound', forged), forged.forge()] as const),
    ...others,
  ]
  for (const [what, code, leaf] of forgeries) {
    const result = await dial(leaf)
    const shown = result.kind === 'refused' ? result.refusal.code : result.kind
    if (result.kind !== 'failed') result.socket.destroy()
    t.equal(shown, code, what)
    refused('outbound', shown)
  }
  t.equal(received, 0, 'nothing was sent to any of them')
  const good = await dial(ca.issue(WEB))
  t.equal(good.kind, 'connected')
  if (good.kind === 'connected') good.socket.destroy()
})

/** A control server whose root is the CA of the test, with the workloads `web` and `api`. */
async function startControl(t: Test): Promise<TestControl> {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-ca-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const files = { 'ca-certificates-file': join(folder, 'ca.pem'), 'ca-key-file': join(folder, 'ca.key') }
  writeFileSync(files['ca-certificates-file'], ca.pem)
  writeFileSync(files['ca-key-file'], ca.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  chmodSync(files['ca-key-file'], 0o600)
  const control = await startTestControl(t, { ...files, 'attest-burst': '1000' })
  await control.apply(workload('web'), workload('api'))
  return control
}

/** A client of the control server that shows this. */
function clientOf(t: Test, { server, clock }: TestControl, shown: TestLeaf | undefined): ControlClient {
  const svid = shown && {
    id: parseSpiffeId(WEB_ID),
    notBeforeMs: 0,
    notAfterMs: 0,
    serial: '',
    authorityFingerprint: '',
    ...shown,
  }
  const client = connectControl({
    address: parseAddress(server.grpcAddress)!,
    bundles: new WatchCell(ca.bundles()),
    svid: new WatchCell<Svid | undefined>(svid),
    serverId: CONTROL_ID,
    clock,
  })
  t.teardown(() => client.close())
  return client
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'accepted'
  } catch (thrown) {
    if (thrown instanceof OutriderError) return thrown.code
    throw thrown
  }
}

/** The code that a stream ends with. */
function endOf(stream: {
  onEnd(listener: (error: OutriderError | undefined) => void): void
  onMessage(listener: () => void): void
}): Promise<string> {
  return new Promise((resolve) => {
    stream.onMessage(() => resolve('accepted'))
    stream.onEnd((error) => resolve(error?.code ?? 'ended'))
  })
}

t.test('the control server, by a client certificate', async (t) => {
  const control = await startControl(t)
  const csr = buildCsr(makeKey('p256'), parseSpiffeId(WEB_ID))
  const why = (since: number): unknown =>
    control.lines.slice(since).find(({ message }) => message.startsWith('a client certificate is refused'))?.['code']
  // OpenSSL lets our client show everything but a key that it thinks too weak for itself.
  for (const forged of forgedCertificates.filter(({ at }) => at?.control !== NOT_SHOWN)) {
    const since = control.lines.length
    // Forgeries are made when they are shown.
    control.clock.advance(Math.max(0, Date.now() - control.clock.now()))
    const client = clientOf(t, control, forged.forge())
    const [renewed, bundle, policy] = await Promise.all([
      codeOf(client.renew({ csr })),
      endOf(client.watchTrustBundles()),
      endOf(client.subscribe()),
    ])
    client.close()
    // An expired SVID can be renewed when it was issued here, which this was not.
    t.equal(renewed, codeAt('control', forged) === 'expired' ? 'svid-expired' : 'peer-unauthenticated', forged.what)
    t.strictSame([bundle, policy], ['peer-unauthenticated', 'peer-unauthenticated'], forged.what)
    t.equal(why(since), codeAt('control', forged), forged.what)
    refused('control, certificate', String(why(since)))
  }
  const anonymous = clientOf(t, control, undefined)
  t.equal(await codeOf(anonymous.renew({ csr })), 'peer-unauthenticated', 'no certificate')
  refused('control, certificate', 'peer-unauthenticated')
  t.equal(await codeOf(clientOf(t, control, ca.issue(WEB)).renew({ csr })), 'accepted')
})

t.test('the control server, by a certification request', async (t) => {
  const control = await startControl(t)
  const web = clientOf(t, control, ca.issue(WEB))
  const key = makeKey('p256')
  const uri = uriName(WEB_ID)
  const asks = (change: Partial<Request>): Buffer => makeCsr({ key, extensions: [altNames(uri)], ...change })
  const named = (id: string): Buffer => asks({ extensions: [altNames(uriName(id))] })
  const good = buildCsr(key, parseSpiffeId(WEB_ID))
  const requests: readonly (readonly [what: string, code: string, csr: Buffer])[] = [
    ['for another workload', 'identity-not-allowed', named(idOf('api'))],
    ['for the control server', 'identity-not-allowed', named(CONTROL_ID)],
    ['for the trust domain itself', 'identity-not-allowed', named(`spiffe://${TRUST_DOMAIN}`)],
    ['for the same path in another trust domain', 'identity-not-allowed', named(`spiffe://partner.example${WEB}`)],
    ['for a path below its own', 'identity-not-allowed', named(`${WEB_ID}/admin`)],
    ['for its own in capitals', 'spiffe-id-trust-domain-character', named(WEB_ID.replace('test', 'TEST'))],
    ['for its own, percent-encoded', 'spiffe-id-path-character', named(WEB_ID.replace('web', '%77eb'))],
    ['for its own with a slash at the end', 'spiffe-id-path-trailing-slash', named(`${WEB_ID}/`)],
    ['for its own and a NUL', 'spiffe-id-path-character', named(`${WEB_ID}\0`)],
    ['for two IDs', 'csr-alt-names', asks({ extensions: [altNames(uri, uriName(idOf('api')))] })],
    ['for a DNS name beside the ID', 'csr-alt-names', asks({ extensions: [altNames(uri, dnsName('api'))] })],
    ['for a DNS name alone', 'csr-alt-names', asks({ extensions: [altNames(dnsName('api'))] })],
    ['for a subject', 'csr-subject', asks({ subject: encodeName('o', 'api') })],
    ['to be a CA', 'csr-extensions', asks({ extensions: [altNames(uri), basicConstraints({ ca: true })] })],
    [
      'to sign certificates',
      'csr-extensions',
      asks({ extensions: [altNames(uri), keyUsage(keyUsageBits.keyCertSign)] }),
    ],
    [
      'with a second list of extensions',
      'csr-attributes',
      asks({ attributes: [attribute([altNames(uri)]), attribute([uriAltNames([idOf('api')], true)])] }),
    ],
    ['with a password', 'csr-attributes', asks({ attributes: [attribute([altNames(uri)], '2a864886f70d010907')] })],
    ['for the key of somebody else', 'csr-signature-invalid', asks({ key: makeKey('p256'), signWith: key })],
    ['with the ID changed after it was signed', 'csr-signature-invalid', changed(good, 'web', 'wed')],
    ['for an RSA key', 'csr-key-unsupported', asks({ key: makeKey('rsa2048') })],
    ['for a P-384 key', 'csr-key-unsupported', asks({ key: makeKey('p384') })],
    ['for a P-521 key', 'key-unsupported', asks({ key: makeKey('p521') })],
    ['of version 2', 'csr-version', asks({ version: Buffer.from('020101', 'hex') })],
    ['with a byte behind it', 'csr-malformed', Buffer.concat([good, Buffer.of(0)])],
    ['that is a certificate', 'csr-malformed', ca.issue(WEB).chainDer[0]!],
    ['in PEM', 'csr-malformed', Buffer.from(`-----BEGIN CERTIFICATE REQUEST-----\n${good.toString('base64')}`)],
    ['of nothing', 'csr-malformed', Buffer.alloc(0)],
    ['of 5000 bytes', 'csr-too-large', asks({ subject: encodeName('o', 'x'.repeat(5000)) })],
  ]
  for (const [what, code, csr] of requests) {
    t.equal(await codeOf(web.renew({ csr })), code, what)
    refused('control, request', code)
  }
  t.equal(await codeOf(web.renew({ csr: good })), 'accepted')
})

function changed(der: Buffer, from: string, to: string): Buffer {
  const copy = Buffer.from(der)
  copy.write(to, copy.indexOf(from), 'latin1')
  return copy
}

t.test('the control server, by a join token', async (t) => {
  const control = await startControl(t)
  const { clock, server, admin } = control
  const stranger = clientOf(t, control, undefined)
  const csr = buildCsr(makeKey('p256'), parseSpiffeId(WEB_ID))
  const join = async (token: string): Promise<void> => (await joinMesh(server.grpcAddress, token, clock)).close()
  const attest = (secret: string): Promise<unknown> => stranger.attest({ joinToken: secret, csr })
  const fresh = async (workload = 'web'): Promise<ReturnType<typeof parseJoinToken>> =>
    parseJoinToken(await control.token(workload))

  const used = await fresh()
  await join(formatJoinToken(used))
  const late = await fresh()
  clock.advance(10 * 60_000)
  const { id, token: revoked } = await admin.createToken({ workload: 'web' })
  await admin.revokeToken({ id })
  const web = await fresh()
  const api = await fresh('api')
  const elsewhere = await startTestControl(t)
  await elsewhere.apply(workload('web'))
  const foreign = parseJoinToken(await elsewhere.token('web'))
  const flipped = `${web.secret.slice(0, -2)}${web.secret.at(-2) === 'A' ? 'B' : 'A'}${web.secret.at(-1)}`

  const attempts: readonly (readonly [what: string, code: string, attempt: () => Promise<unknown>])[] = [
    ['a token that was used', 'join-token-refused', () => join(formatJoinToken(used))],
    ['its secret alone', 'join-token-refused', () => attest(used.secret)],
    ['a token that has expired', 'join-token-refused', () => attest(late.secret)],
    ['a token that was revoked', 'join-token-refused', () => attest(parseJoinToken(revoked).secret)],
    ['a token for another workload', 'identity-not-allowed', () => attest(api.secret)],
    [
      'a token with another ID written into it',
      'identity-not-allowed',
      () => join(formatJoinToken({ ...web, spiffeId: api.spiffeId })),
    ],
    [
      'a token with another trust domain written into it',
      'bundle-not-authority',
      () =>
        joinMesh(
          server.grpcAddress,
          formatJoinToken({ ...web, spiffeId: parseSpiffeId(`spiffe://partner.example${WEB}`) }),
          clock,
          `spiffe://partner.example/outrider/control`,
        ),
    ],
    [
      'a token with another pin',
      'control-pin-mismatch',
      () => join(formatJoinToken({ ...web, rootFingerprint: foreign.rootFingerprint })),
    ],
    ['the token of another mesh', 'control-pin-mismatch', () => join(formatJoinToken(foreign))],
    ['the secret of another mesh', 'join-token-refused', () => attest(foreign.secret)],
    ['a secret of one other letter', 'join-token-refused', () => attest(flipped)],
    ['a secret that is cut', 'join-token-refused', () => attest(web.secret.slice(0, -1))],
    ['a secret with a space', 'join-token-refused', () => attest(`${web.secret} `)],
    ['an empty secret', 'join-token-refused', () => attest('')],
    ['the whole token as the secret', 'join-token-refused', () => attest(formatJoinToken(web))],
    ['the name of the token as the secret', 'join-token-refused', () => attest(id)],
    ['no evidence', 'evidence-missing', () => stranger.attest({ csr })],
  ]
  for (const [what, code, attempt] of attempts) {
    t.equal(await codeOf(attempt()), code, what)
    refused('control, token', code)
  }
  t.equal(await codeOf(attest(web.secret)), 'accepted', 'none of it used the token up')
})

t.test('tokens', async (t) => {
  const now = Date.UTC(2026, 0, 1)
  const [authority, other] = [makeJwtAuthority(TRUST_DOMAIN, 'key-1'), makeJwtAuthority('partner.example', 'key-2')]
  // As the control server sends them.
  const { requestSerialize: _, ...wire } = protocols().identity.IdentityService.service.WatchTrustBundles
  const sent = wireBundles(new Map([authority, other].map(({ bundle }) => [bundle.trustDomain, bundle])))
  const known = bundlesOf(wire.responseDeserialize(wire.responseSerialize(sent)))
  const header = { alg: 'ES256', kid: 'key-1', typ: 'JWT' }
  const claims = { sub: WEB_ID, aud: [idOf('api')], exp: now / 1000 + 300, iat: now / 1000 }
  const attacker = makeKey('p256')
  const forge = (changed: object, more: object = {}, key = authority.privateKey): string =>
    signCompact({ ...header, ...more }, { ...claims, ...changed }, key)
  const tokens: readonly (readonly [what: string, code: string, token: string])[] = [
    ['alg none', 'jws-algorithm', `${encodePart({ ...header, alg: 'none' })}.${encodePart(claims)}.`],
    ['HS256', 'jws-algorithm', forge({}, { alg: 'HS256' })],
    ['the key of an attacker', 'jws-signature-invalid', forge({}, {}, attacker)],
    ['the key of the partner for our ID', 'jwt-svid-key-unknown', forge({}, { kid: 'key-2' }, other.privateKey)],
    ['the key of the partner under our key ID', 'jws-signature-invalid', forge({}, {}, other.privateKey)],
    ['our key for the ID of the partner', 'jwt-svid-key-unknown', forge({ sub: `spiffe://partner.example${WEB}` })],
    ['an unknown key ID', 'jwt-svid-key-unknown', forge({}, { kid: 'key-9' })],
    ['no key ID', 'jwt-svid-key-id-missing', forge({}, { kid: undefined })],
    ['jku', 'jwt-svid-header-unknown', forge({}, { jku: 'https://evil.example/keys' }, attacker)],
    ['x5u', 'jwt-svid-header-unknown', forge({}, { x5u: 'https://evil.example/chain' }, attacker)],
    ['another audience', 'jwt-svid-audience-mismatch', forge({ aud: [idOf('web')] })],
    ['no audience', 'jwt-svid-audience-missing', forge({ aud: undefined })],
    ['expired', 'jwt-svid-expired', forge({ exp: now / 1000 })],
    ['no end', 'jwt-svid-expiry-missing', forge({ exp: undefined })],
    ['not yet valid', 'jwt-svid-not-yet-valid', forge({ nbf: now / 1000 + 60 })],
    ['a trust domain that nobody knows', 'jwt-svid-trust-domain-unknown', forge({ sub: 'spiffe://evil.example/a' })],
    ['an ID in capitals', 'spiffe-id-scheme', forge({ sub: WEB_ID.toUpperCase() })],
    ['an ID with a slash at the end', 'spiffe-id-path-trailing-slash', forge({ sub: `${WEB_ID}/` })],
    ['no subject', 'jwt-svid-subject-missing', forge({ sub: undefined })],
  ]
  for (const [what, code, token] of tokens) {
    const svid = verifyJwtSvid(token, idOf('api'), known, now)
    const shown = svid.kind === 'refused' ? svid.code : 'accepted'
    t.equal(shown, code, what)
    refused('token', shown)
  }
  t.equal(verifyJwtSvid(forge({}), idOf('api'), known, now).kind, 'verified')
})

t.test('what was believed once', async (t) => {
  const app = await startApp(t)
  const clock = new TestClock(Date.now())
  const api = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    bundles,
    policy: everything,
    app: app.address,
    clock,
  })
  const attempt = async (what: string, code: string, options: ConnectionOptions): Promise<void> => {
    const reason = await refusalOf(t, api, app, options)
    t.equal(reason, code, what)
    refused('inbound', reason)
  }
  const serve = async (options: ConnectionOptions): Promise<Buffer> => {
    const client = wireTls(t, api.inbound, options)
    const session = once(client.socket, 'session')
    client.socket.write(REQUEST)
    await client.match(/^HTTP\/1.1 200/)
    const [ticket]: Buffer[] = await session
    return ticket!
  }

  const { bundles: present, svid } = api.credentials.current
  const good = clientTls(ca, ca.issue(WEB))
  await serve(good)
  api.credentials.set({ svid, bundles: partner.bundles() })
  await attempt('a known peer whose root was revoked', 'trust-domain-unknown', good)
  api.credentials.set({ svid, bundles: makeTestCa(TRUST_DOMAIN).bundles() })
  await attempt('a known peer whose root was replaced', 'key-id-mismatch', good)
  api.credentials.set({ svid, bundles: present })

  // For OpenSSL, which has the machine's clock, neither ever expires.
  const brief = clientTls(ca, ca.issue(WEB, { ttlMs: 3_600_000 }))
  const session = await serve(brief)
  clock.advance(3_601_000)
  await attempt('a known peer whose certificate has expired since', 'expired', brief)
  await attempt('a resumed session with an expired certificate', 'expired', { ...brief, session })
  await attempt('a resumed session with no certificate', 'no-certificate', {
    ca: ca.pem,
    session,
    servername: '',
    checkServerIdentity: () => undefined,
  })
  await attempt('no certificate', 'no-certificate', { rejectUnauthorized: false })
  await attempt('TLS 1.2', 'version-unsupported', { ...good, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
})

t.test('how many that were', async (t) => {
  const requests = [...refusals].filter(([where]) => !['inbound', 'outbound', 'control, certificate'].includes(where))
  const different = forgedCertificates.length + requests.reduce((sum, [, count]) => sum + count, 0)
  const shown = [...refusals].map(([where, count]) => `${where} ${count}`).join('; ')
  console.log(`note: ${different} forgeries, none accepted; shown to: ${shown}; ${codes.size} codes`)
  t.ok(different >= 100, `${different} forgeries`)
  t.equal(
    new Set(forgedCertificates.map(({ what }) => what)).size,
    forgedCertificates.length,
    'each has a name of its own',
  )
})
