import { generateKeyPairSync, hash, type KeyObject } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import grpc from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { buildCsr } from '../../../src/identity/csr.ts'
import type { TrustBundleSet } from '../../../src/identity/bundle.ts'
import { signProof } from '../../../src/identity/proof.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import type { Svid } from '../../../src/identity/svid.ts'
import { parseCertificate } from '../../../src/identity/x509.ts'
import { parseAddress } from '../../../src/lib/address.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import { learnTrustBundle } from '../../../src/rpc/bootstrap.ts'
import { connectControl, type ControlClient } from '../../../src/rpc/client.ts'
import { fromServiceError } from '../../../src/rpc/errors.ts'
import { protocols } from '../../../src/rpc/load.ts'
import type { PeerCredentials } from '../../../src/lib/peer-credentials.ts'
import type { AttestRequest } from '../../../src/wire/outrider/identity/v1/AttestRequest.ts'
import type { IssuedSvid__Output } from '../../../src/wire/outrider/identity/v1/IssuedSvid.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import {
  CONTROL_ID,
  joinMesh,
  startTestControl,
  svidOf,
  temporaryFolder,
  type TestControl,
  workload,
} from '../../fixtures/control.ts'
import { AUDIENCE, claimsOf, clusterKey, ISSUER, POD_UID, tokenOf } from '../../fixtures/kubernetes.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const PAYMENTS = 'spiffe://test.local/ns/default/sa/payments'
const LEDGER = 'spiffe://test.local/ns/default/sa/ledger'
const HOUR_MS = 3_600_000
const cluster = clusterKey('ES256', 'one')
const machines = makeTestCa('machines.test')

interface Setting {
  readonly control: TestControl
  /** A client without an identity. */
  readonly client: ControlClient
  readonly attest: (
    id: string,
    evidence: Omit<AttestRequest, 'csr'> | ((csr: Buffer) => Omit<AttestRequest, 'csr'>),
  ) => Promise<Svid>
  readonly audit: () => readonly Readonly<Record<string, unknown>>[]
}

async function start(t: Test, flags: Readonly<Record<string, string>> = {}): Promise<Setting> {
  const folder = temporaryFolder(t)
  const jwks = join(folder, 'jwks.json')
  const roots = join(folder, 'roots.pem')
  writeFileSync(jwks, JSON.stringify({ keys: [cluster.jwk] }))
  writeFileSync(roots, machines.pem)
  const control = await startTestControl(t, {
    kubernetes: 'jwks',
    'kubernetes-issuer': ISSUER,
    'kubernetes-audience': AUDIENCE,
    'kubernetes-jwks': jwks,
    'x509-roots': roots,
    'attest-burst': '1000',
    ...flags,
  })
  const address = parseAddress(control.server.grpcAddress)!
  const { rootFingerprint } = await control.admin.getStatus({})
  const bundle = await learnTrustBundle({ address, rootFingerprint, serverId: CONTROL_ID, clock: control.clock })
  const client = connectControl({
    address,
    bundles: new WatchCell<TrustBundleSet>(new Map([[bundle.trustDomain, bundle]])),
    svid: new WatchCell<Svid | undefined>(undefined),
    serverId: CONTROL_ID,
    clock: control.clock,
  })
  t.teardown(() => client.close())
  return {
    control,
    client,
    attest: async (id, evidence) => {
      const privateKey: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      const csr = buildCsr(privateKey, parseSpiffeId(id))
      const shown = typeof evidence === 'function' ? evidence(csr) : evidence
      return svidOf(await client.attest({ ...shown, csr }), privateKey, control.clock)
    },
    audit: () => auditOf(join(control.data, 'audit.log')),
  }
}

/** But for the certificate of the control server itself, which comes first. */
function auditOf(path: string): readonly Readonly<Record<string, unknown>>[] {
  const lines: Readonly<Record<string, unknown>>[] = readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
  return lines.filter(({ how }) => how !== 'own')
}

function kubernetes({ control }: Setting, namespace: string, account: string): { kubernetesToken: string } {
  return { kubernetesToken: tokenOf(cluster, claimsOf(namespace, account, control.clock.now())) }
}

t.test('a service account gets the identity whose selectors it fulfils, and no other', async (t) => {
  const setting = await start(t)
  const { attest, control, audit } = setting
  await control.apply(
    workload('payments', {
      selectors: ['k8s:ns:shop', 'k8s:sa:payments'],
      dnsNames: ['payments.shop.svc', 'pay.example.org'],
      ttl: '1h',
    }),
    workload('ledger', { selectors: ['k8s:ns:shop', 'k8s:sa:ledger'] }),
    workload('free'),
    workload('machine', { selectors: ['x509:dns:host-1.example.org'] }),
  )
  const evidence = kubernetes(setting, 'shop', 'payments')
  const svid = await attest(PAYMENTS, evidence)
  t.equal(svid.id, PAYMENTS)
  t.ok(Math.abs(svid.notAfterMs - control.clock.now() - 3_600_000) < 2000, 'the TTL of the Workload')
  t.strictSame(parseCertificate(svid.chainDer[0]!).altNames, {
    critical: true,
    uris: [PAYMENTS],
    dnsNames: ['payments.shop.svc', 'pay.example.org'],
    others: 0,
  })
  await attest(PAYMENTS, evidence)

  await t.rejects(attest(LEDGER, evidence), { code: 'identity-not-allowed' }, 'another account')
  await t.rejects(
    attest(PAYMENTS, kubernetes(setting, 'evil', 'payments')),
    { code: 'identity-not-allowed' },
    'namespace',
  )
  await t.rejects(
    attest('spiffe://test.local/ns/default/sa/free', evidence),
    { code: 'identity-not-allowed' },
    'no selectors',
  )
  await t.rejects(attest('spiffe://test.local/ns/default/sa/machine', evidence), { code: 'identity-not-allowed' })
  await t.rejects(attest('spiffe://test.local/ns/default/sa/none', evidence), { code: 'workload-unknown' })
  await t.rejects(attest(CONTROL_ID, evidence), { code: 'workload-unknown' }, 'the control server itself')
  const elsewhere = tokenOf(cluster, claimsOf('shop', 'payments', control.clock.now(), { aud: ['api'] }))
  await t.rejects(attest(PAYMENTS, { kubernetesToken: elsewhere }), { code: 'attestation-refused' })
  await t.rejects(attest(PAYMENTS, {}), { code: 'evidence-missing' })
  await t.rejects(attest(PAYMENTS, { unixPeer: {} }), { code: 'evidence-missing', message: /socket alone/ })

  const lines = audit()
  t.match(lines, [
    {
      event: 'certificate-issued',
      how: 'attest',
      source: `k8s:shop/payments/${POD_UID}`,
      address: '127.0.0.1',
      spiffeId: PAYMENTS,
      serial: svid.serial,
      notAfter: new Date(svid.notAfterMs).toISOString(),
      dnsNames: ['payments.shop.svc', 'pay.example.org'],
    },
    { event: 'certificate-issued' },
    { event: 'certificate-refused', spiffeId: LEDGER, reason: 'identity-not-allowed', source: /^k8s:shop/ },
  ])
  t.same(
    lines.slice(2).map(({ reason }) => reason),
    [
      ...Array.from({ length: 4 }, () => 'identity-not-allowed'),
      'workload-unknown',
      'workload-unknown',
      'attestation-refused',
      'evidence-missing',
      'evidence-missing',
    ],
  )
  t.notMatch(readFileSync(join(control.data, 'audit.log'), 'utf8'), evidence.kubernetesToken)
  t.notOk(control.lines.some((line) => JSON.stringify(line).includes(evidence.kubernetesToken)))
})

t.test('a machine gets an identity for the key of its certificate', async (t) => {
  const { attest, control } = await start(t)
  await control.apply(workload('payments', { selectors: ['x509:dns:host-1.example.org'] }))
  const names = { uris: [], dnsNames: ['host-1.example.org'] }
  const machine = machines.intermediate().issue('/m', names)
  const proof = (csr: Buffer) => ({
    x509Proof: { chain: [...machine.chainDer], signature: signProof(machine.privateKey, csr) },
  })
  t.equal((await attest(PAYMENTS, proof)).id, PAYMENTS)
  const other = buildCsr(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, parseSpiffeId(PAYMENTS))
  await t.rejects(
    attest(PAYMENTS, proof(other)),
    { code: 'attestation-refused' },
    'a proof that was seen with another CSR',
  )
  const stranger = makeTestCa('machines.test').intermediate().issue('/m', names)
  await t.rejects(
    attest(PAYMENTS, (csr) => ({
      x509Proof: { chain: [...stranger.chainDer], signature: signProof(stranger.privateKey, csr) },
    })),
    { code: 'attestation-refused' },
  )
})

t.test('what is not switched on is not taken', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('payments', { selectors: ['k8s:ns:shop'] }))
  const sidecar = await control.join('payments')
  const csr = buildCsr(sidecar.privateKey, sidecar.id)
  await t.rejects(sidecar.client.attest({ kubernetesToken: 'x.y.z', csr }), { code: 'attestation-not-offered' })
  await t.rejects(sidecar.client.attest({ x509Proof: { chain: [], signature: Buffer.of(1) }, csr }), {
    code: 'attestation-not-offered',
  })
})

/** Calls `Attest` on the attestation socket, as a sidecar on the machine would. */
async function attestOnSocket(path: string, id: string): Promise<IssuedSvid__Output> {
  const { IdentityService } = protocols().identity
  const client = new IdentityService(`unix:${path}`, grpc.credentials.createInsecure())
  const csr = buildCsr(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, parseSpiffeId(id))
  try {
    return await new Promise((resolve, reject) => {
      client.attest({ unixPeer: {}, csr }, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer)
        else reject(fromServiceError(error, path))
      })
    })
  } finally {
    client.close()
  }
}

t.test('a process of the machine gets an identity by its user and program', async (t) => {
  const path = join(temporaryFolder(t), 'attest.sock')
  const uid = process.getuid?.() ?? 0
  const digest = hash('sha256', readFileSync(process.execPath), 'hex')
  let peer: PeerCredentials = { uid, gid: 0, pid: process.pid }
  const control = await startTestControl(t, { 'attest-socket': path }, undefined, () => peer)
  t.equal(statSync(path).mode & 0o777, 0o666)
  await control.apply(
    workload('payments', { selectors: [`unix:uid:${uid}`, `unix:sha256:${digest}`] }),
    workload('ledger', { selectors: [`unix:uid:${uid + 1}`] }),
  )
  t.equal((await attestOnSocket(path, PAYMENTS)).spiffeId, PAYMENTS)
  await t.rejects(attestOnSocket(path, LEDGER), { code: 'identity-not-allowed' })
  peer = { uid: uid + 1, gid: 0, pid: process.pid }
  await t.rejects(attestOnSocket(path, LEDGER), { code: 'attestation-refused' }, 'another user than the process has')
  t.match(auditOf(join(control.data, 'audit.log'))[0], { source: /^unix:/, address: `unix:${uid}` })
  const { IdentityService } = protocols().identity
  const client = new IdentityService(`unix:${path}`, grpc.credentials.createInsecure())
  const renewed = new Promise<unknown>((resolve) => client.renew({ csr: Buffer.alloc(0) }, resolve))
  t.match(await renewed, { code: grpc.status.UNIMPLEMENTED }, 'and nothing else is served there')
  client.close()
})

t.test('a connection of which the kernel says nothing is closed', async (t) => {
  const path = join(temporaryFolder(t), 'attest.sock')
  const control = await startTestControl(t, { 'attest-socket': path }, undefined, () => {
    throw new Error('no such thing')
  })
  await control.apply(workload('payments', { selectors: ['unix:uid:0'] }))
  await t.rejects(attestOnSocket(path, PAYMENTS), { code: 'rpc-unavailable' })
})

t.test('without a way to ask the kernel there is no attestation socket', async (t) => {
  await t.rejects(startTestControl(t, { 'attest-socket': join(temporaryFolder(t), 'attest.sock') }), {
    code: 'attest-socket-unusable',
  })
})

t.test('selectors that make no sense are refused with their field', async (t) => {
  const { control } = await start(t)
  for (const [spec, message] of [
    [{ selectors: ['k8s:ns:A'] }, /spec\.selectors\[0\]/],
    [{ selectors: ['k8s:sa:api'] }, /spec\.selectors: k8s:sa needs k8s:ns/],
    [{ selectors: ['k8s:ns:a', 'unix:uid:1'] }, /spec\.selectors: all must hold/],
    [{ selectors: [] }, /spec\.selectors: an empty list/],
    [{ dnsNames: ['*.example.org'] }, /spec\.dnsNames\[0\]/],
    [
      { dnsNames: Array.from({ length: 17 }, (_, index) => `a${index}.example.org`) },
      /spec\.dnsNames: has more than 16/,
    ],
  ] as const) {
    await t.rejects(control.apply(workload('payments', spec)), { code: 'resources-refused', message })
  }
})

t.test('without a line in the audit log there is no certificate, and no token is lost', async (t) => {
  const folder = join(temporaryFolder(t), 'audit')
  mkdirSync(folder)
  const path = join(folder, 'log')
  const control = await startTestControl(t, { 'audit-log-path': path })
  await control.apply(workload('web'))
  const token = await control.token('web')
  const joining = (): Promise<{ close(): void }> => joinMesh(control.server.grpcAddress, token, control.clock)
  rmSync(path)
  mkdirSync(path)
  control.clock.advance(1000)
  await t.rejects(joining(), { code: 'audit-unwritable', retryable: true })
  await t.rejects(control.token('web'), { code: 'audit-unwritable' })
  rmSync(path, { recursive: true })
  ;(await joining()).close()
  t.match(auditOf(path), [
    { event: 'certificate-issued', how: 'attest', tokenId: /^[0-9a-f]{12}$/, source: /^join-token:/ },
  ])
  chmodSync(path, 0o600)
})

t.test('tokens that are made and revoked are in the audit log', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const { id } = await control.admin.createToken({ workload: 'web' })
  await control.admin.revokeToken({ id })
  t.match(auditOf(join(control.data, 'audit.log')), [
    { event: 'token-created', tokenId: id, spiffeId: 'spiffe://test.local/ns/default/sa/web' },
    { event: 'token-revoked', tokenId: id },
  ])
})

t.test("the control server's own certificate is in the audit log", async (t) => {
  const control = await startTestControl(t, { 'svid-ttl-ms': '1h' })
  control.clock.advance(HOUR_MS / 2)
  const own = { event: 'certificate-issued', how: 'own', spiffeId: CONTROL_ID, serial: /^[0-9a-f]+$/ }
  const lines = readFileSync(join(control.data, 'audit.log'), 'utf8').trim().split('\n')
  t.match(
    lines.map((line): unknown => JSON.parse(line)),
    [own, own],
  )
})

t.test('signing has a limit, half of it for newcomers', async (t) => {
  const setting = await start(t, { 'sign-per-second': '4' })
  const { control, attest } = setting
  await control.apply(workload('payments', { selectors: ['k8s:ns:shop'] }))
  const sidecar = await control.join('payments')
  const evidence = kubernetes(setting, 'shop', 'payments')
  await attest(PAYMENTS, evidence)
  await t.rejects(attest(PAYMENTS, evidence), { code: 'signing-rate', retryable: true, message: /2 per second/ })
  await sidecar.client.renew({ csr: buildCsr(sidecar.privateKey, sidecar.id) })
})
