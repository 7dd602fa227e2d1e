import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseBundle, type TrustBundleSet } from '../../../src/identity/bundle.ts'
import { signJwtSvid } from '../../../src/identity/jwt-svid.ts'
import { splitDer, toPem } from '../../../src/identity/x509.ts'
import { OutriderError } from '../../../src/lib/errors.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { temporaryFolder } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { findProgram, runProgram } from '../../fixtures/process.ts'
import { credentialsOf, eventually, idOf, TRUST_DOMAIN } from '../../fixtures/sidecar.ts'
import {
  type Message,
  mutualHandshake,
  startWorkloadApi,
  type TestWorkloadApi,
  type TlsMaterial,
  workloadClient,
} from '../../fixtures/workload-api.ts'

checkLeaks(t)

const ca = makeTestCa(TRUST_DOMAIN)
const other = makeTestCa('other.test')
const both: TrustBundleSet = new Map([...ca.bundles(), ...other.bundles()])
const web = '/ns/default/sa/web'
const invalidArgument = 3
const permissionDenied = 7
const resourceExhausted = 8
const unavailable = 14

function start(t: Test, options: Partial<Parameters<typeof startWorkloadApi>[1]> = {}): Promise<TestWorkloadApi> {
  return startWorkloadApi(t, { credentials: credentialsOf(ca.intermediate().issue(web), both), ...options })
}

/** What an application makes of one SVID of the Workload API. */
function materialOf({ x509_svid, x509_svid_key, bundle }: Message): TlsMaterial {
  const key = createPrivateKey({ key: Buffer.from(x509_svid_key), format: 'der', type: 'pkcs8' })
  return {
    cert: toPem(splitDer(x509_svid)),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ca: toPem(splitDer(bundle)),
  }
}

t.test('a foreign client fetches an SVID, and opens mutual TLS with what it got', async (t) => {
  const api = await start(t)
  const { svids, federated_bundles } = await workloadClient(t, api.socket).stream('FetchX509SVID', {}).next()
  t.equal(svids.length, 1)
  t.equal(svids[0].spiffe_id, idOf('web'))
  t.equal(splitDer(svids[0].x509_svid).length, 2, 'with the intermediate')
  t.same(Object.keys(federated_bundles), ['spiffe://other.test'])
  t.ok(federated_bundles['spiffe://other.test'].equals(other.der))
  const material = materialOf(svids[0])
  t.same(await mutualHandshake(t, material, material), [`URI:${idOf('web')}`, `URI:${idOf('web')}`])
  t.equal(await api.metric({ method: 'FetchX509SVID', result: 'admitted' }), 1)
})

t.test('OpenSSL accepts the chain by its strict rules', async (t) => {
  const openssl = findProgram('openssl')
  if (openssl === undefined) return t.comment('openssl is not installed')
  const api = await start(t)
  const { svids } = await workloadClient(t, api.socket).stream('FetchX509SVID', {}).next()
  const folder = temporaryFolder(t)
  const [leaf, ...above] = splitDer(svids[0].x509_svid)
  const files = { leaf: [leaf!], above, roots: splitDer(svids[0].bundle) }
  for (const [name, certificates] of Object.entries(files)) writeFileSync(join(folder, name), toPem(certificates))
  const file = (name: string): string => join(folder, name)
  const args = ['verify', '-x509_strict', '-CAfile', file('roots'), '-untrusted', file('above'), file('leaf')]
  const { code, stdout, stderr } = await runProgram(t, openssl, args)
  t.equal(code, 0, stdout + stderr)
})

t.test('each renewal and each change of roots is told at once, and nothing else', async (t) => {
  const api = await start(t)
  const client = workloadClient(t, api.socket)
  const svids = client.stream('FetchX509SVID', {})
  const bundles = client.stream('FetchX509Bundles', {})
  const first = await svids.next()
  t.same(Object.keys((await bundles.next())['bundles']), [`spiffe://${TRUST_DOMAIN}`, 'spiffe://other.test'])

  api.credentials.set(credentialsOf(ca.issue(web), both))
  const second = await svids.next()
  t.notOk(second['svids'][0].x509_svid.equals(first['svids'][0].x509_svid))
  const material = materialOf(second['svids'][0])
  t.same(await mutualHandshake(t, material, materialOf(first['svids'][0])), [
    `URI:${idOf('web')}`,
    `URI:${idOf('web')}`,
  ])

  const { svid } = api.credentials.current
  api.credentials.set({ svid, bundles: new Map(both) })
  api.credentials.set({ svid, bundles: ca.bundles() })
  t.same((await svids.next())['federated_bundles'], {}, 'what is not there any more is not in the message')
  t.same(Object.keys((await bundles.next())['bundles']), [`spiffe://${TRUST_DOMAIN}`])
  t.same([svids.unread.length, bundles.unread.length], [0, 0], 'the same again is not told')
})

t.test('the header is mandatory, with this value', async (t) => {
  const api = await start(t)
  for (const header of [{}, { 'workload.spiffe.io': 'TRUE' }, { 'workload.spiffe.io': '' }]) {
    const client = workloadClient(t, api.socket, header)
    t.match(await client.stream('FetchX509SVID', {}).ended, { code: invalidArgument })
    await t.rejects(client.unary('ValidateJWTSVID', { audience: 'a', svid: 'b' }), { code: invalidArgument })
  }
})

t.test('the kernel says who calls: other users get nothing, and few places', async (t) => {
  const uid = process.getuid!()
  const api = await start(t, { uids: String(uid + 1) })
  t.equal(statSync(api.socket).mode & 0o777, 0o666, 'they may ask')
  const client = workloadClient(t, api.socket)
  for (const method of ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles']) {
    const error = await client.stream(method, {}).ended
    t.match(error, { code: permissionDenied, details: new RegExp(`user ${uid} has no identity`) }, method)
  }
  await t.rejects(client.unary('FetchJWTSVID', { audience: ['a'] }), { code: permissionDenied })
  await t.rejects(client.unary('ValidateJWTSVID', { audience: 'a', svid: 'b' }), { code: permissionDenied })
  t.equal(await api.metric({ result: 'refused' }), 5)
  const said = api.lines.items.filter(({ message }) => /was refused/.test(String(message)))
  t.match(said, [{ uid, pid: process.pid, unsaid: 0 }], 'once a minute')

  // One is the client's.
  const sockets = Array.from({ length: 16 }, () => connect(api.socket))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  const closed = await Promise.race(
    sockets.map(
      (socket, index) => new Promise<number>((resolve) => socket.once('close', () => resolve(index)).resume()),
    ),
  )
  t.equal(closed, 15)
})

t.test('where the kernel does not name the caller, the connection is closed', async (t) => {
  const api = await start(t, {
    read: () => {
      throw new OutriderError('peer-credentials-unknown', 'nobody')
    },
  })
  t.match(await workloadClient(t, api.socket).stream('FetchX509SVID', {}).ended, { code: unavailable })
})

t.test('an SVID that has expired is not given out', async (t) => {
  const clock = new TestClock(Date.now())
  const api = await start(t, { clock, read: () => ({ pid: 1, uid: process.getuid!(), gid: 1 }) })
  clock.advance(25 * 3_600_000)
  const client = workloadClient(t, api.socket)
  t.match(await client.stream('FetchX509SVID', {}).ended, { code: unavailable, details: /has expired at/ })
  t.ok(await client.stream('FetchX509Bundles', {}).next())
})

t.test('streams are bounded', async (t) => {
  const api = await start(t)
  const clients = Array.from({ length: 9 }, () => workloadClient(t, api.socket))
  const streams = clients.flatMap((client) => Array.from({ length: 30 }, () => client.stream('FetchX509Bundles', {})))
  const ended = await Promise.race(streams.map(({ ended }) => ended))
  t.match(ended, { code: resourceExhausted, details: /256 streams/ })
  for (const stream of streams) stream.cancel()
  await eventually(async () => {
    const again = clients[0]!.stream('FetchX509Bundles', {})
    return Promise.race([again.next().then(() => true), again.ended.then(() => false)])
  }, 'places are free again')
})

t.test('a reader that does not read is given up, and gets the last value when it comes back', async (t) => {
  const api = await start(t)
  const client = workloadClient(t, api.socket)
  const stream = client.stream('FetchX509SVID', {})
  await stream.next()
  stream.stall()
  const values = [credentialsOf(ca.issue(web), both), credentialsOf(ca.issue(web), both)] as const
  for (let count = 0; count < 100; count += 1) api.credentials.set(values[count % 2 === 0 ? 0 : 1])
  stream.read()
  t.match(await stream.ended, { code: resourceExhausted, details: /16 messages/ })
  const { svids } = await client.stream('FetchX509SVID', {}).next()
  t.ok(splitDer(svids[0].x509_svid)[0]!.equals(api.credentials.current.svid.chainDer[0]!))
})

t.test('no private key and no token is in the log', async (t) => {
  const api = await start(t, { jwtSvid: () => Promise.resolve('the.very.token') })
  const client = workloadClient(t, api.socket)
  const { svids } = await client.stream('FetchX509SVID', {}).next()
  await client.unary('FetchJWTSVID', { audience: ['db'] })
  await t.rejects(client.unary('ValidateJWTSVID', { audience: 'db', svid: 'the.very.token' }))
  const text = JSON.stringify(api.lines.items)
  t.notMatch(text, 'the.very.token')
  t.notMatch(text, Buffer.from(svids[0].x509_svid_key).toString('base64').slice(40, 80))
})

t.test('JWT-SVIDs: fetched for an audience, with keys to verify them, and verified', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const bundle = parseBundle({
    trustDomain: TRUST_DOMAIN,
    authorities: [ca.der],
    jwtAuthorities: [{ keyId: 'key-1', publicKey: publicKey.export({ type: 'spki', format: 'der' }) }],
    sequence: 2,
  })
  const bundles = new Map([[bundle.trustDomain, bundle]])
  const credentials = credentialsOf(ca.issue(web), bundles)
  const api = await start(t, {
    credentials,
    jwtSvid: (audience) =>
      Promise.resolve(
        signJwtSvid({ id: idOf('web'), audience, keyId: 'key-1', privateKey, ttlMs: 300_000, nowMs: Date.now() }).token,
      ),
  })
  const client = workloadClient(t, api.socket)
  const { svids } = await client.unary('FetchJWTSVID', { audience: ['db', 'cache'] })
  t.match(svids, [{ spiffe_id: idOf('web') }])
  const { spiffe_id, claims } = await client.unary('ValidateJWTSVID', { audience: 'db', svid: svids[0].svid })
  t.equal(spiffe_id, idOf('web'))
  t.match(claims.fields, {
    sub: { stringValue: idOf('web') },
    aud: { listValue: { values: [{ stringValue: 'db' }, { stringValue: 'cache' }] } },
    exp: { kind: 'numberValue' },
  })
  await t.rejects(client.unary('ValidateJWTSVID', { audience: 'web', svid: svids[0].svid }), { code: invalidArgument })
  await t.rejects(client.unary('ValidateJWTSVID', { audience: 'db', svid: 'x.y.z' }), { code: invalidArgument })
  await t.rejects(client.unary('ValidateJWTSVID', { audience: '', svid: svids[0].svid }), { code: invalidArgument })
  await t.rejects(client.unary('FetchJWTSVID', { audience: [] }), { code: invalidArgument })
  await t.rejects(client.unary('FetchJWTSVID', { audience: ['db'], spiffe_id: idOf('api') }), {
    code: permissionDenied,
  })

  const stream = client.stream('FetchJWTBundles', {})
  const document = JSON.parse(String((await stream.next())['bundles'][`spiffe://${TRUST_DOMAIN}`]))
  t.match(document, { keys: [{ kid: 'key-1', kty: 'EC', crv: 'P-256' }] })
  api.credentials.set(credentialsOf(ca.issue(web), bundles))
  api.credentials.set({ svid: api.credentials.current.svid, bundles: ca.bundles() })
  t.same(JSON.parse(String((await stream.next())['bundles'][`spiffe://${TRUST_DOMAIN}`])), { keys: [] })
})

t.test('a sidecar that stops tells its streams', async (t) => {
  const api = await start(t)
  const stream = workloadClient(t, api.socket).stream('FetchX509SVID', {})
  await stream.next()
  await api.stop()
  t.match(await stream.ended, { code: unavailable, details: /sidecar is stopping/ })
})

t.test('what cannot be served is said, and the sidecar goes on', async (t) => {
  const api = await start(t, { uids: '4294967295' })
  t.match(await api.lines.take(), { level: 'error', message: 'the Workload API is not served' })
})
