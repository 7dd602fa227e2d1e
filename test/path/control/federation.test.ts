import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { connect as connectTls, TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { parseBundleDocument } from '../../../src/identity/bundle-document.ts'
import { loadSvid } from '../../../src/identity/svid.ts'
import { parseAddress } from '../../../src/lib/address.ts'
import type { FederatedDomain__Output } from '../../../src/wire/outrider/admin/v1/FederatedDomain.ts'
import { documentOf, makeWebCertificate, startBundleEndpoint } from '../../fixtures/bundle-endpoint.ts'
import { makeTestCa, type TestLeaf } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import {
  document,
  startTestControl,
  temporaryFolder,
  type TestControl,
  TRUST_DOMAIN,
  workload,
} from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { eventually } from '../../fixtures/sidecar.ts'

checkLeaks(t)

const PARTNER = 'partner.test'
const PARTNER_CONTROL = `spiffe://${PARTNER}/outrider/control`
const MINUTE = 60_000

async function statusOf(control: TestControl, trustDomain = PARTNER): Promise<FederatedDomain__Output | undefined> {
  const { federation } = await control.admin.getStatus({})
  return federation.find((domain) => domain.trustDomain === trustDomain)
}

/** Waits until the status of the trust domain is so. */
async function becomes(
  control: TestControl,
  what: string,
  holds: (domain: FederatedDomain__Output) => boolean,
  trustDomain = PARTNER,
): Promise<FederatedDomain__Output> {
  let last: FederatedDomain__Output | undefined
  await eventually(
    async () => {
      last = await statusOf(control, trustDomain)
      return last !== undefined && holds(last)
    },
    `${what}: ${JSON.stringify(last)}`,
  )
  return last!
}

/** Moves the clock to the next poll, and waits for what comes of it. */
async function poll(control: TestControl, trustDomain = PARTNER): Promise<FederatedDomain__Output> {
  const before = (await statusOf(control, trustDomain))!.nextPollAt!
  const inMs = before.seconds * 1000 + before.nanos / 1e6 - control.clock.now()
  control.clock.advance(Math.max(0, inMs))
  return becomes(
    control,
    'polled',
    ({ nextPollAt }) => nextPollAt!.seconds * 1000 + nextPollAt!.nanos / 1e6 > control.clock.now(),
    trustDomain,
  )
}

function trustDomain(spec: object, name = 'partner'): object {
  return document('TrustDomain', name, { trustDomain: PARTNER, ...spec })
}

async function rootsOf(control: TestControl, name = PARTNER): Promise<readonly string[]> {
  const { document } = await control.admin.getBundle({ trustDomain: name })
  return parseBundleDocument(Buffer.from(document), name).bundle.authorities.map(({ fingerprint }) => fingerprint)
}

/** The bundles that a sidecar is sent, the newest last. */
function bundlesSent(sidecar: Awaited<ReturnType<TestControl['join']>>): { trustDomain: string; sequence: number }[][] {
  const sent: { trustDomain: string; sequence: number }[][] = []
  const watch = sidecar.client.watchTrustBundles()
  watch.onMessage(({ bundles }) =>
    sent.push(bundles.map(({ trustDomain, sequence }) => ({ trustDomain, sequence })).toSorted(byDomain)),
  )
  watch.onEnd(() => {})
  return sent
}

function byDomain(a: { trustDomain: string }, b: { trustDomain: string }): number {
  return a.trustDomain < b.trustDomain ? -1 : 1
}

t.test('two meshes federate over both profiles; a root of one is replaced while the other looks', async (t) => {
  const clock = new TestClock(Date.now())
  const web = makeWebCertificate()
  const folder = temporaryFolder(t)
  const files = { ca: join(folder, 'ca.pem'), certificate: join(folder, 'web.pem'), key: join(folder, 'web.key') }
  writeFileSync(files.ca, web.ca.pem)
  writeFileSync(files.certificate, web.leaf.chainPem)
  writeFileSync(files.key, web.leaf.keyPem)
  const a = await startTestControl(
    t,
    {
      'bundle-endpoint': '127.0.0.1:0',
      'bundle-endpoint-profile': 'https_web',
      'bundle-endpoint-certificate-file': files.certificate,
      'bundle-endpoint-key-file': files.key,
    },
    clock,
  )
  const b = await startTestControl(t, { 'trust-domain': PARTNER, 'bundle-endpoint': '127.0.0.1:0' }, clock)
  await a.apply(workload('web'))
  const sent = bundlesSent(await a.join('web'))

  await a.apply(
    trustDomain({
      bundleEndpoint: {
        url: `https://${b.server.bundleEndpoint}/`,
        profile: 'https_spiffe',
        spiffeId: PARTNER_CONTROL,
      },
      bundle: JSON.parse((await b.admin.getBundle({})).document),
    }),
  )
  await b.apply(
    document('TrustDomain', 'home', {
      trustDomain: TRUST_DOMAIN,
      bundleEndpoint: {
        url: `https://localhost:${parseAddress(a.server.bundleEndpoint!)!.port}`,
        profile: 'https_web',
        caFile: files.ca,
      },
    }),
  )
  t.match(await statusOf(a), { believed: true, fetchedAt: null }, 'the start value counts at once')
  t.match(await statusOf(b, TRUST_DOMAIN), { believed: false }, 'nothing counts yet')
  t.match(await poll(a), { failure: '', sequence: 1, x509Authorities: 1, jwtAuthorities: 1 })
  t.match(await poll(b, TRUST_DOMAIN), { failure: '', sequence: 1, believed: true })
  t.same(await rootsOf(b, TRUST_DOMAIN), await rootsOf(a, TRUST_DOMAIN))
  await eventually(() => sent.at(-1)?.length === 2, 'sidecars are told')
  t.match(sent.at(-1), [{ trustDomain: PARTNER }, { trustDomain: TRUST_DOMAIN, sequence: 1 }])

  const [old] = await rootsOf(a)
  await b.admin.prepareAuthority({})
  t.match(await poll(a), { failure: '', sequence: 2, x509Authorities: 2 })
  await b.admin.activateAuthority({})
  await b.admin.taintAuthority({})
  await b.admin.revokeAuthority({ force: true })
  t.match(
    await poll(a),
    { failure: '', x509Authorities: 1 },
    'the endpoint shows an SVID of the new root, which is known',
  )
  const [fresh] = await rootsOf(a)
  t.not(fresh, old)
  const numbers = sent.map((set) => set.find((bundle) => bundle.trustDomain === PARTNER)?.sequence ?? 0)
  t.same(
    numbers.toSorted((x, y) => x - y),
    numbers,
    'what sidecars compare never falls',
  )

  await b.close()
  const { seconds } = (await statusOf(a))!.fetchedAt!
  t.match(await poll(a), { failureCode: 'bundle-endpoint-unreachable', believed: true })
  t.match(await poll(a), { failureCode: 'bundle-endpoint-unreachable', believed: true, fetchedAt: { seconds } })
  t.same(await rootsOf(a), [fresh], 'the last good one stays')
  await a.close()
  const again = await startTestControl(t, { data: a.data }, clock)
  t.match(await statusOf(again), { believed: true, fetchedAt: { seconds } }, 'over a restart too')
  t.same(await rootsOf(again), [fresh])

  await again.admin.delete({ ref: { kind: 'TrustDomain', namespace: 'default', name: 'partner' } })
  t.equal(await statusOf(again), undefined)
  await t.rejects(again.admin.getBundle({ trustDomain: PARTNER }), { code: 'trust-domain-not-found' })
  t.same(readdirSync(join(again.data, 'federation')), [])

  const events = readFileSync(join(a.data, 'audit.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line): { event: string; trustDomain?: string; authorities?: string[] } => JSON.parse(line))
    .filter(({ trustDomain }) => trustDomain === PARTNER)
  t.match(events, [
    { event: 'trust-bundle-changed', authorities: [old] },
    { event: 'trust-bundle-changed', authorities: [old, fresh] },
    { event: 'trust-bundle-changed', authorities: [fresh] },
    { event: 'trust-domain-dropped' },
  ])
  t.equal(events.length, 4)
})

/** A control server that believes `partner.test` by https_spiffe, and the endpoint there. */
async function startPartner(
  t: Test,
  answer: RequestListener,
  leaf?: TestLeaf,
): Promise<{ control: TestControl; endpoint: Awaited<ReturnType<typeof startBundleEndpoint>> }> {
  const endpoint = await startBundleEndpoint(t, leaf ?? partner.issue('/outrider/control'), answer)
  const control = await startTestControl(t)
  await control.apply(
    trustDomain({
      bundleEndpoint: { url: endpoint.url, profile: 'https_spiffe', spiffeId: PARTNER_CONTROL },
      bundle: JSON.parse(documentOf([partner], 5)),
    }),
  )
  return { control, endpoint }
}

const partner = makeTestCa(PARTNER)
const stranger = makeTestCa('stranger.test')
const impostor = makeTestCa(PARTNER)

t.test('whatever an endpoint answers, the bundle of before stays', async (t) => {
  const newer = documentOf([partner, impostor], 6)
  const cases: Readonly<Record<string, { readonly answer: RequestListener; readonly message?: RegExp }>> = {
    'bundle-endpoint-status': { answer: (_, response) => response.writeHead(503).end(newer), message: /answers 503/ },
    'bundle-endpoint-redirect': {
      answer: (_, response) => response.writeHead(302, { location: '/elsewhere' }).end(newer),
      message: /not followed/,
    },
    'bundle-endpoint-too-large': {
      answer: (_, response) => void response.end(newer + ' '.repeat(1024 * 1024)),
      message: /more than 1048576 bytes/,
    },
    'bundle-endpoint-response': {
      answer: (_, response) =>
        void response.writeHead(200, { 'content-length': 9999 }).write('{', () => response.destroy()),
    },
    'bundle-older': { answer: (_, response) => response.end(documentOf([partner], 4)), message: /sequence 4, and 5/ },
    'json-malformed': { answer: (_, response) => response.end('<html>') },
    'bundle-document-no-keys': { answer: (_, response) => response.end('{}') },
    'bundle-too-large': {
      answer: (_, response) =>
        response.end(
          documentOf(
            [partner, ...Array.from({ length: 60 }, () => makeTestCa(PARTNER, { dnsNames: ['x'.repeat(300)] }))],
            6,
          ),
        ),
      message: /at most 32768/,
    },
  }
  for (const [code, { answer, message = /./ }] of Object.entries(cases)) {
    const { control, endpoint } = await startPartner(t, answer)
    const { failureCode, failure, believed, sequence } = await poll(control)
    t.equal(failureCode, code)
    t.match(failure, message)
    t.match({ believed, sequence }, { believed: true, sequence: 5 })
    t.same(endpoint.asked, ['/'], `${code}: nothing else is asked for`)
    await control.close()
  }
})

t.test('a streamed body without a length is cut at the limit too', async (t) => {
  const { control } = await startPartner(t, (_, response) => {
    response.writeHead(200)
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  })
  t.match(await poll(control), { failureCode: 'bundle-endpoint-too-large' })
})

t.test('nothing is sent to an endpoint that is another than the resource says', async (t) => {
  const shown: Readonly<Record<string, readonly [TestLeaf, RegExp]>> = {
    'another identity of the trust domain': [partner.issue('/ns/default/sa/web'), /is spiffe:.*\/web, and should be/],
    'the right name from a wrong root': [
      impostor.issue('/outrider/control'),
      /root-unknown|signature-invalid|key-id-mismatch/,
    ],
    'another trust domain': [stranger.issue('/outrider/control'), /trust-domain-unknown/],
    'a name of the Web PKI': [makeWebCertificate().leaf, /id|uri/i],
    'an expired SVID': [partner.issue('/outrider/control', { ttlMs: -60_000 }), /expired 6\ds? ?.*ago|expired/],
  }
  for (const [what, [leaf, why]] of Object.entries(shown)) {
    const { control, endpoint } = await startPartner(t, (_, response) => response.end(documentOf([impostor], 6)), leaf)
    const { failureCode, failure, sequence } = await poll(control)
    t.equal(failureCode, 'bundle-endpoint-untrusted', what)
    t.match(failure, why, what)
    t.equal(sequence, 5)
    t.same(endpoint.asked, [])
    await control.close()
  }
})

t.test('an SVID of our own root does not make an endpoint of another trust domain', async (t) => {
  // A root that is ours by the CA that was handed in: it signs what the test wants.
  const home = makeTestCa(TRUST_DOMAIN)
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'ca.pem'), home.pem)
  writeFileSync(join(folder, 'ca.key'), home.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const forged = home.issue(PARTNER_CONTROL)
  const endpoint = await startBundleEndpoint(t, forged, (_, response) => response.end(documentOf([impostor], 6)))
  const control = await startTestControl(t, {
    'ca-certificates-file': join(folder, 'ca.pem'),
    'ca-key-file': join(folder, 'ca.key'),
  })
  await control.apply(
    trustDomain({
      bundleEndpoint: { url: endpoint.url, profile: 'https_spiffe', spiffeId: PARTNER_CONTROL },
      bundle: JSON.parse(documentOf([partner], 5)),
    }),
  )
  t.match(await poll(control), { failureCode: 'bundle-endpoint-untrusted', sequence: 5 })
  t.same(endpoint.asked, [])
})

t.test('https_web: the name and the CA have to be right', async (t) => {
  const web = makeWebCertificate()
  const folder = temporaryFolder(t)
  const caFile = join(folder, 'ca.pem')
  const endpoint = await startBundleEndpoint(t, web.leaf, (_, response) => response.end(documentOf([partner], 1)))
  const port = Number(new URL(endpoint.url).port)
  const control = await startTestControl(t)
  const use = (host: string, more: object): Promise<number> =>
    control.apply(trustDomain({ bundleEndpoint: { url: `https://${host}:${port}/`, profile: 'https_web', ...more } }))
  await use('localhost', { caFile })
  t.match(await poll(control), { failureCode: 'bundle-endpoint-ca-file', believed: false }, 'there is no file')
  writeFileSync(caFile, stranger.pem)
  t.match(await poll(control), { failureCode: 'bundle-endpoint-untrusted' }, 'another CA')
  await use('localhost', {})
  t.match(await poll(control), { failureCode: 'bundle-endpoint-untrusted' }, 'the CAs of the Web')
  writeFileSync(caFile, web.ca.pem)
  await use('127.0.0.1', { caFile })
  t.match(await poll(control), { failureCode: 'bundle-endpoint-untrusted' }, 'another name')
  t.same(endpoint.asked, [])
  await use('localhost', { caFile })
  t.match(await poll(control), { failureCode: '', believed: true, sequence: 1 })
  t.match(
    await control.server.metrics.expose(),
    /outrider_federation_polls_total\{trust_domain="partner.test",result="changed"\} 1/,
  )
})

t.test('an endpoint that says nothing is given up', async (t) => {
  const { control, endpoint } = await startPartner(t, () => {})
  control.clock.advance(0)
  await eventually(() => endpoint.asked.length === 1, 'asked')
  control.clock.advance(15_000)
  t.match(await becomes(control, 'failed', ({ failureCode }) => failureCode !== ''), {
    failureCode: 'bundle-endpoint-timeout',
  })
})

t.test('the refresh hint is kept to, within bounds; a failure gets an early second chance', async (t) => {
  let answer = documentOf([partner], 5, 1000)
  let status = 200
  const { control } = await startPartner(t, (_, response) => response.writeHead(status).end(answer))
  const nextIn = ({ nextPollAt }: FederatedDomain__Output): number =>
    Math.round(nextPollAt!.seconds * 1000 + nextPollAt!.nanos / 1e6 - control.clock.now())
  t.equal(nextIn(await poll(control)), MINUTE)
  answer = documentOf([partner], 5, 10 * MINUTE)
  t.equal(nextIn(await poll(control)), 10 * MINUTE)
  answer = documentOf([partner], 5, 48 * 60 * MINUTE)
  t.equal(nextIn(await poll(control)), 24 * 60 * MINUTE)
  status = 500
  const waits: number[] = []
  for (let attempt = 0; attempt < 9; attempt += 1) waits.push(nextIn(await poll(control)) / 1000)
  t.same(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300])
})

t.test('a static bundle, its replacement, and an empty one', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const sent = bundlesSent(await control.join('web'))
  await eventually(() => sent.length === 1, 'the first message')
  await control.apply(trustDomain({ bundle: JSON.parse(documentOf([partner], 7)) }))
  t.match(await statusOf(control), { believed: true, sequence: 7, url: '', nextPollAt: null, fetchedAt: null })
  await control.apply(trustDomain({ bundle: JSON.parse(documentOf([impostor], 2)) }))
  t.match(await statusOf(control), { sequence: 2 }, 'the operator may go back')
  await eventually(() => sent.length === 3, 'sidecars are told of each')
  t.ok(sent[2]![0]!.sequence > sent[1]![0]!.sequence, 'by numbers that rise')
  await control.close()
  const again = await startTestControl(t, { data: control.data }, control.clock)
  t.match(await statusOf(again), { believed: true, sequence: 2 })
  const sentAgain = bundlesSent(await again.join('web'))
  await eventually(() => sentAgain.length === 1, 'the first message')
  t.equal(sentAgain[0]![0]!.sequence, sent[2]![0]!.sequence, 'a restart is no change')
})

t.test('an empty bundle is the end of all belief in the trust domain', async (t) => {
  const { control } = await startPartner(t, (_, response) =>
    response.end(documentOf([partner], 6).replace(/"keys":\[.*\]/, '"keys":[]')),
  )
  t.match(await poll(control), { failure: '', sequence: 6, x509Authorities: 0 })
  t.same(await rootsOf(control), [])
})

t.test('a changed resource begins anew: what another endpoint said is not believed on', async (t) => {
  const { control, endpoint } = await startPartner(t, (_, response) => response.end(documentOf([partner, impostor], 6)))
  t.match(await poll(control), { sequence: 6, x509Authorities: 2 })
  await control.apply(
    trustDomain({
      bundleEndpoint: { url: `${endpoint.url}other`, profile: 'https_spiffe', spiffeId: PARTNER_CONTROL },
      bundle: JSON.parse(documentOf([partner], 5)),
    }),
  )
  t.match(await statusOf(control), { sequence: 5, x509Authorities: 1, fetchedAt: null })
  await control.apply(trustDomain({ bundleEndpoint: { url: endpoint.url, profile: 'https_web' } }))
  t.match(await statusOf(control), { believed: false })
})

t.test('no bundle is believed that the audit log has no line of', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'audit.log')
  const control = await startTestControl(t, { 'audit-log-path': path })
  await control.apply(trustDomain({ bundle: JSON.parse(documentOf([partner], 1)) }))
  rmSync(path)
  symlinkSync('/dev/full', path)
  control.clock.advance(2000)
  await control.apply(trustDomain({ bundle: JSON.parse(documentOf([impostor], 1)) }))
  t.match(await statusOf(control), { believed: false, failureCode: 'audit-unwritable' })
  await control.admin.delete({ ref: { kind: 'TrustDomain', namespace: 'default', name: 'partner' } })
  t.equal(await statusOf(control), undefined, 'the end of belief needs no line')
})

t.test('a damaged copy is not believed', async (t) => {
  const { control } = await startPartner(t, (_, response) => response.end(documentOf([partner, impostor], 6)))
  t.match(await poll(control), { sequence: 6 })
  await control.close()
  const [name] = readdirSync(join(control.data, 'federation'))
  const path = join(control.data, 'federation', name!)
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace('"meshSequence":1', '"meshSequence":2'))
  const again = await startTestControl(t, { data: control.data }, control.clock)
  t.match(await statusOf(again), { sequence: 5 }, 'the start value of the resource')
  t.ok(again.lines.some(({ message }) => message === 'a kept trust bundle is not readable'))
})

t.test('callers of a foreign trust domain are nobody to the control server', async (t) => {
  const control = await startTestControl(t)
  await control.apply(trustDomain({ bundle: JSON.parse(documentOf([partner], 1)) }), workload('web'))
  const sidecar = await control.join('web')
  const leaf = partner.issue('/ns/default/sa/web')
  sidecar.svid.set(loadSvid(leaf.chainDer, leaf.privateKey, partner.bundles(), control.clock.now()))
  const watch = sidecar.client.watchTrustBundles()
  const outcome = await new Promise<unknown>((resolve) => {
    watch.onMessage(resolve)
    watch.onEnd(resolve)
  })
  t.match(outcome, { code: 'peer-unauthenticated' })
})

t.test('what a TrustDomain may not say', async (t) => {
  const control = await startTestControl(t)
  await t.rejects(
    control.apply(
      trustDomain({ trustDomain: TRUST_DOMAIN, bundle: JSON.parse(documentOf([makeTestCa(TRUST_DOMAIN)], 1)) }),
    ),
    {
      message: /spec.trustDomain: .*is the trust domain here/,
    },
  )
  const bundle = JSON.parse(documentOf([partner], 1))
  await control.apply(trustDomain({ bundle }))
  await t.rejects(control.apply(trustDomain({ bundle }, 'other')), {
    message: /default\/partner is for this trust domain already/,
  })
  const many = Array.from({ length: 64 }, (_, index) =>
    document('TrustDomain', `more-${index}`, {
      trustDomain: `more-${index}.test`,
      bundleEndpoint: { url: 'https://127.0.0.1:1/', profile: 'https_web' },
    }),
  )
  await t.rejects(control.apply(...many), { message: /65 foreign trust domains, at most 64/ })
})

/** One request to a bundle endpoint. */
function ask(
  address: string,
  {
    method = 'GET',
    path = '/',
    headers = {},
  }: { method?: string; path?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: string; leaf: string }> {
  const { host, port } = parseAddress(address)!
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, method, path, headers, rejectUnauthorized: false, agent: false }, (response) => {
      let body = ''
      const { socket } = response
      const leaf = socket instanceof TLSSocket ? socket.getPeerCertificate().fingerprint256 : ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body, leaf }))
    })
    sent.once('error', reject)
    sent.end()
  })
}

t.test('the endpoint publishes the bundle, and nothing else', async (t) => {
  const control = await startTestControl(t, { 'bundle-endpoint': '127.0.0.1:0', 'bundle-refresh-hint-ms': '2m' })
  const address = control.server.bundleEndpoint!
  const answer = await ask(address)
  t.match(answer, { status: 200, headers: { 'content-type': 'application/json', 'cache-control': 'no-cache' } })
  t.equal(answer.body, (await control.admin.getBundle({})).document)
  t.match(JSON.parse(answer.body), { spiffe_refresh_hint: 120, spiffe_sequence: 1 })
  const etag = String(answer.headers['etag'])
  t.match(await ask(address, { headers: { 'if-none-match': etag } }), { status: 304, body: '' })
  t.match(await ask(address, { method: 'HEAD' }), { status: 200, body: '' })
  t.match(await ask(address, { method: 'POST' }), { status: 405, headers: { allow: 'GET, HEAD' } })
  t.match(await ask(address, { path: '/ca/root.key' }), { status: 404 })
  await control.admin.prepareAuthority({})
  const next = await ask(address, { headers: { 'if-none-match': etag } })
  t.match(next, { status: 200 }, 'a new bundle has a new tag')
  t.equal(JSON.parse(next.body).spiffe_sequence, 2)
  t.equal(next.leaf, answer.leaf)
  await control.admin.activateAuthority({})
  await control.admin.taintAuthority({})
  t.not((await ask(address)).leaf, answer.leaf, 'it shows the own SVID of this moment')
  const { host, port } = parseAddress(address)!
  const old = await new Promise<Error>((resolve) => {
    connectTls({
      host,
      port,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      rejectUnauthorized: false,
      ciphers: 'DEFAULT@SECLEVEL=0',
    }).once('error', resolve)
  })
  t.match(old.message, /protocol version/i)
})

t.test('a renewed certificate of the Web PKI is shown without a restart; a broken one is not', async (t) => {
  const [first, second] = [makeWebCertificate(), makeWebCertificate()]
  const folder = temporaryFolder(t)
  const [certificate, key] = [join(folder, 'web.pem'), join(folder, 'web.key')]
  writeFileSync(certificate, first.leaf.chainPem)
  writeFileSync(key, first.leaf.keyPem)
  const flags = {
    'bundle-endpoint': '127.0.0.1:0',
    'bundle-endpoint-profile': 'https_web',
    'bundle-endpoint-certificate-file': certificate,
    'bundle-endpoint-key-file': key,
  }
  const control = await startTestControl(t, flags)
  const address = control.server.bundleEndpoint!
  const before = (await ask(address)).leaf
  writeFileSync(certificate, second.leaf.chainPem)
  control.clock.advance(10_000)
  t.equal((await ask(address)).leaf, before, 'the key is not there yet')
  t.ok(control.lines.some(({ message }) => message === 'the bundle endpoint keeps its present certificate'))
  writeFileSync(key, second.leaf.keyPem)
  control.clock.advance(10_000)
  t.not((await ask(address)).leaf, before)
  writeFileSync(key, 'no key')
  await t.rejects(startTestControl(t, { ...flags }), { code: 'bundle-endpoint-certificate' })
  t.notOk(existsSync(join(folder, 'data')))
})
