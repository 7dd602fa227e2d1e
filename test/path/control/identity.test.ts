import { generateKeyPairSync } from 'node:crypto'
import { createServer as createTcpServer } from 'node:net'
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls'
import t from 'tap'
import { parseAddress } from '../../../src/lib/address.ts'
import { buildCsr } from '../../../src/identity/csr.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import type { Svid } from '../../../src/identity/svid.ts'
import type { OutriderError } from '../../../src/lib/errors.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import { learnTrustBundle } from '../../../src/rpc/bootstrap.ts'
import { bundlesOf } from '../../../src/rpc/bundles.ts'
import { connectControl } from '../../../src/rpc/client.ts'
import { formatJoinToken, parseJoinToken } from '../../../src/rpc/token.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import {
  allow,
  CONTROL_ID,
  joinMesh,
  openStream,
  startTestControl,
  svidOf,
  type TestSidecar,
  workload,
} from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

function csrFor(id: string): Buffer {
  return buildCsr(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, parseSpiffeId(id))
}

t.test('a sidecar joins with a token, renews, and the SVID is the workload', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web', { ttl: '1h' }))
  const sidecar = await control.join('web')
  t.equal(sidecar.svid.current?.id, sidecar.id)
  const lifetime = (sidecar.svid.current?.notAfterMs ?? 0) - control.clock.now()
  t.ok(Math.abs(lifetime - 3_600_000) < 2_000, 'the TTL of the Workload')

  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issued = await sidecar.client.renew({ csr: buildCsr(privateKey, sidecar.id) })
  t.equal(issued.spiffeId, sidecar.id)
  t.not(svidOf(issued, privateKey, control.clock).serial, sidecar.svid.current?.serial)
  await t.rejects(
    sidecar.client.renew({ csr: csrFor('spiffe://test.local/ns/default/sa/api') }),
    { code: 'identity-not-allowed' },
    'for another identity',
  )
  await t.rejects(sidecar.client.renew({ csr: Buffer.from('no CSR') }), { code: /^csr-|der-/ })

  const lines = control.lines.filter(({ message }) => message === 'certificate issued')
  t.match(lines, [
    { how: 'attest', spiffeId: sidecar.id },
    { how: 'renew', spiffeId: sidecar.id },
  ])
  t.equal(control.lines.filter(({ message }) => message === 'certificate refused').length, 2)
  t.match(await control.server.metrics.expose(), /outrider_svids_issued_total 2/)
})

t.test('a token is for one use, one identity and a limited time', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'), workload('api'))
  const { grpcAddress } = control.server
  const join = (token: string): Promise<TestSidecar> => joinMesh(grpcAddress, token, control.clock)

  const used = await control.token('web')
  ;(await join(used)).close()
  await t.rejects(join(used), { code: 'join-token-refused', message: /used already/ })

  const late = await control.token('web')
  control.clock.advance(10 * 60_000)
  await t.rejects(join(late), { code: 'join-token-refused', message: /has expired/ })

  const { id, token: revoked } = await control.admin.createToken({ workload: 'web' })
  await control.admin.revokeToken({ id })
  await t.rejects(join(revoked), { code: 'join-token-refused', message: /was revoked/ })
  await t.rejects(control.admin.revokeToken({ id }), { code: 'token-not-found' })

  const parsed = parseJoinToken(await control.token('web'))
  const guessed = formatJoinToken({ ...parsed, secret: Buffer.alloc(32, 1).toString('base64url') })
  await t.rejects(join(guessed), { code: 'join-token-refused', message: /not known/ })

  const other = formatJoinToken({ ...parsed, spiffeId: parseSpiffeId('spiffe://test.local/ns/default/sa/api') })
  await t.rejects(join(other), { code: 'identity-not-allowed' }, 'a CSR for another identity')
  ;(await join(formatJoinToken(parsed))).close()

  const states = (await control.admin.listTokens({})).tokens.map(({ state }) => state).toSorted()
  t.same(states, ['STATE_EXPIRED', 'STATE_REVOKED', 'STATE_USED', 'STATE_USED'])
  t.notOk(
    control.lines.some((line) => JSON.stringify(line).includes(parsed.secret)),
    'no secret in the log',
  )
})

t.test('two sidecars race with one token: one of them wins', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const token = await control.token('web')
  const results = await Promise.allSettled(
    [1, 2, 3].map(() => joinMesh(control.server.grpcAddress, token, control.clock)),
  )
  const joined = results.filter((result) => result.status === 'fulfilled')
  for (const { value } of joined) value.close()
  t.equal(joined.length, 1)
})

t.test('attestations of one source are limited, and later go on', async (t) => {
  const control = await startTestControl(t, { 'attest-per-second': '1', 'attest-burst': '2' })
  await control.apply(workload('web'))
  const join = async (): Promise<void> => {
    const sidecar = await joinMesh(control.server.grpcAddress, await control.token('web'), control.clock)
    sidecar.close()
  }
  await join()
  await join()
  await t.rejects(join(), { code: 'attestation-rate', retryable: true })
  control.clock.advance(1000)
  await join()
  const text = await control.server.metrics.expose()
  t.match(text, /outrider_attestation_refused_total\{reason="attestation-rate"\} 1/)
})

t.test('a server without the pinned root is left before the token is sent', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const token = parseJoinToken(await control.token('web'))
  const clock = new TestClock(Date.now())
  // An impostor with a whole PKI of its own, under the very same names.
  const impostor = makeTestCa('test.local').issue(CONTROL_ID)
  let received = 0
  const server = createServer({ cert: impostor.chainPem, key: impostor.keyPem }, (socket: TLSSocket) => {
    socket.on('error', () => {})
    socket.on('data', ({ length }: Buffer) => {
      received += length
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  const address = { host: '127.0.0.1', port: typeof bound === 'object' ? (bound?.port ?? 0) : 0 }
  const { rootFingerprint } = token
  await t.rejects(learnTrustBundle({ address, rootFingerprint, serverId: CONTROL_ID, clock }), {
    code: 'control-pin-mismatch',
    message: /No evidence was sent/,
  })
  t.equal(received, 0)
  server.close()

  const real = parseAddress(control.server.grpcAddress)!
  await t.rejects(
    learnTrustBundle({ address: real, rootFingerprint, serverId: token.spiffeId, clock }),
    { code: 'control-not-trusted' },
    'the right root, but not the server that was meant',
  )
  const bundle = await learnTrustBundle({ address: real, rootFingerprint, serverId: CONTROL_ID, clock })
  t.equal(bundle.authorities[0]?.fingerprint, rootFingerprint)
})

t.test('first contact with something that is no TLS server ends in time', async (t) => {
  const clock = new TestClock(Date.now())
  const silent = createTcpServer(() => clock.advance(10_000))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const bound = silent.address()
  const port = typeof bound === 'object' ? (bound?.port ?? 0) : 0
  const options = { address: { host: '127.0.0.1', port }, rootFingerprint: '00', serverId: CONTROL_ID, clock }
  await t.rejects(learnTrustBundle(options), { code: 'control-unreachable', retryable: true })
  await new Promise<void>((resolve) => silent.close(() => resolve()))
  await t.rejects(learnTrustBundle(options), { code: 'control-unreachable' }, 'and with a closed port')
})

t.test('a channel believes the control server alone, and the server its own SVIDs alone', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const sidecar = await control.join('web')
  const { clock } = control
  const address = parseAddress(control.server.grpcAddress)!
  const csr = csrFor(sidecar.id)

  const elsewhere = connectControl({
    address,
    bundles: sidecar.bundles,
    svid: sidecar.svid,
    serverId: sidecar.id,
    clock,
  })
  await t.rejects(elsewhere.renew({ csr }), { code: 'rpc-unavailable', message: /should be/ })
  elsewhere.close()

  const stranger = makeTestCa('test.local')
  const distrusting = connectControl({
    address,
    bundles: new WatchCell(new Map([[stranger.bundle().trustDomain, stranger.bundle()]])),
    svid: sidecar.svid,
    serverId: CONTROL_ID,
    clock,
  })
  await t.rejects(distrusting.renew({ csr }), { code: 'rpc-unavailable' })
  distrusting.close()

  const anonymous = connectControl({
    address,
    bundles: sidecar.bundles,
    svid: new WatchCell<Svid | undefined>(undefined),
    serverId: CONTROL_ID,
    clock,
  })
  await t.rejects(anonymous.renew({ csr }), { code: 'peer-unauthenticated', message: /none was shown/ })
  anonymous.close()

  const { chainPem, chainDer, privateKey } = stranger.issue(sidecar.id)
  const forged: Svid = { ...sidecar.svid.current!, chainPem, chainDer, privateKey }
  const forger = connectControl({
    address,
    bundles: sidecar.bundles,
    svid: new WatchCell<Svid | undefined>(forged),
    serverId: CONTROL_ID,
    clock,
  })
  await t.rejects(forger.renew({ csr }), { code: 'peer-unauthenticated', message: /certificate is refused/ })
  forger.close()
  t.ok(control.lines.some(({ message }) => message.startsWith('a client certificate is refused')))
})

t.test('an SVID that has expired is told so, on old connections and new ones', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web', { ttl: '1h' }))
  const sidecar = await control.join('web')
  const csr = csrFor(sidecar.id)
  await sidecar.client.renew({ csr })
  control.clock.advance(3_600_001)
  await t.rejects(openStream(sidecar).ended, { code: 'peer-unauthenticated', message: /expired/ })
  sidecar.svid.set(sidecar.svid.current && { ...sidecar.svid.current })
  await t.rejects(openStream(sidecar).ended, { code: 'peer-unauthenticated', message: /expired/ })
})

t.test('a new SVID makes a new connection; streams stay on theirs', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const sidecar = await control.join('web')
  const stream = openStream(sidecar)
  stream.ack(await stream.next())
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issued = await sidecar.client.renew({ csr: buildCsr(privateKey, sidecar.id) })
  sidecar.svid.set(svidOf(issued, privateKey, control.clock))
  sidecar.bundles.set(bundlesOf(issued.bundles))
  await sidecar.client.renew({ csr: buildCsr(privateKey, sidecar.id) })
  await control.apply(allow('all'))
  control.clock.advance(100)
  const update = await stream.next()
  t.equal(update.revision, 2, 'the stream that was open goes on')
  stream.call.cancel()
})

t.test('trust bundles are watched by who has an SVID', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web', { ttl: '1h' }))
  const sidecar = await control.join('web')
  const watch = sidecar.client.watchTrustBundles()
  const set = await new Promise<readonly { trustDomain: string; sequence: number }[]>((resolve) =>
    watch.onMessage(({ bundles }) => resolve(bundles)),
  )
  t.match(set, [{ trustDomain: 'test.local', sequence: 1 }])
  const ended = new Promise<OutriderError | undefined>((resolve) => watch.onEnd(resolve))
  control.clock.advance(3_600_001)
  t.match(await ended, { code: 'svid-expired' })
})

t.test('only TLS 1.3 is spoken', async (t) => {
  const control = await startTestControl(t)
  const { host, port } = parseAddress(control.server.grpcAddress)!
  const error = await new Promise<Error>((resolve, reject) => {
    const socket = connectTls({ host, port, maxVersion: 'TLSv1.2', rejectUnauthorized: false }, () => {
      socket.destroy()
      reject(new Error('TLS 1.2 was accepted'))
    })
    socket.once('error', resolve)
  })
  t.match(error.message, /version|handshake|protocol|reset/i)
})

t.test('the certificate of the server is renewed at half of its life, without a restart', async (t) => {
  const control = await startTestControl(t, { 'svid-ttl-ms': '1h' })
  const { host, port } = parseAddress(control.server.grpcAddress)!
  const serial = async (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ host, port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().serialNumber)
        socket.destroySoon()
      })
      socket.once('error', reject)
    })
  const first = await serial()
  control.clock.advance(29 * 60_000)
  t.equal(await serial(), first)
  control.clock.advance(2 * 60_000)
  t.not(await serial(), first)
})
