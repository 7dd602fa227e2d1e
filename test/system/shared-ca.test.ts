import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { podConnection } from '../../src/kubernetes/connection.ts'
import { parseAddress } from '../../src/lib/address.ts'
import { startTestControl } from '../fixtures/control.ts'
import { type Cluster, withApiServer } from '../fixtures/cluster.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { temporaryFolder, until } from '../fixtures/process.ts'
import { CONTROL_NAMESPACE, joinCa, sequenceComes } from '../fixtures/shared-ca.ts'

checkLeaks(t)

const core = '/api/v1/namespaces'
const rbac = '/apis/rbac.authorization.k8s.io/v1'
const secretPath = `${core}/${CONTROL_NAMESPACE}/secrets/outrider-ca`
const inApplies = { contentType: 'application/apply-patch+yaml' }

t.test('control servers of a cluster share a CA, with no more rights than they need', (t) =>
  withApiServer(t, (cluster) => withCluster(t, cluster)),
)

/** The account of the control server with the rights of this part alone. Gives the file of its token. */
async function account(t: Test, { ask }: Cluster): Promise<string> {
  const metadata = { name: 'outrider-control' }
  await ask('POST', `${core}/${CONTROL_NAMESPACE}/serviceaccounts`, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata,
  })
  const subjects = [{ kind: 'ServiceAccount', name: 'outrider-control', namespace: CONTROL_NAMESPACE }]
  const apiGroup = 'rbac.authorization.k8s.io'
  const make = async (kind: string, path: string, rules: readonly object[]): Promise<void> => {
    const apiVersion = 'rbac.authorization.k8s.io/v1'
    const role = await ask('POST', `${path}/${kind.toLowerCase()}s`, { apiVersion, kind, metadata, rules })
    t.equal(role.status, 201)
    const roleRef = { apiGroup, kind, name: 'outrider-control' }
    const binding = { apiVersion, kind: `${kind}Binding`, metadata, roleRef, subjects }
    t.equal((await ask('POST', `${path}/${kind.toLowerCase()}bindings`, binding)).status, 201)
  }
  await make('ClusterRole', rbac, [
    { apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'watch'] },
    {
      apiGroups: [''],
      resources: ['configmaps'],
      resourceNames: ['outrider-trust'],
      verbs: ['create', 'list', 'patch', 'watch'],
    },
  ])
  await make('Role', `${rbac}/namespaces/${CONTROL_NAMESPACE}`, [
    {
      apiGroups: [''],
      resources: ['secrets'],
      resourceNames: ['outrider-ca'],
      verbs: ['get', 'list', 'update', 'watch'],
    },
  ])
  const path = `${core}/${CONTROL_NAMESPACE}/serviceaccounts/outrider-control/token`
  const kind = 'TokenRequest'
  const { body } = await ask('POST', path, { apiVersion: 'authentication.k8s.io/v1', kind, spec: {} })
  const { status } = body
  const token =
    typeof status === 'object' && status !== null ? Object.entries(status).find(([key]) => key === 'token') : []
  const file = join(temporaryFolder(t), 'token')
  writeFileSync(file, String(token?.[1]), { mode: 0o600 })
  return file
}

async function withCluster(t: Test, cluster: Cluster): Promise<void> {
  const { ask, address, caFile } = cluster
  const namespace = (name: string, labels: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels },
  })
  await ask('POST', core, namespace(CONTROL_NAMESPACE))
  await ask('POST', core, namespace('shop', { 'outrider.mesh/inject': 'enabled' }))
  const tokenFile = await account(t, cluster)
  const connection = podConnection(parseAddress(address)!, caFile, tokenFile)
  const empty = {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: { name: 'outrider-ca', namespace: CONTROL_NAMESPACE },
  }
  await t.rejects(joinCa(t, connection), { code: 'ca-secret-missing' })
  t.equal((await ask('POST', `${core}/${CONTROL_NAMESPACE}/secrets`, empty)).status, 201)

  const members = await Promise.all(Array.from({ length: 3 }, () => joinCa(t, connection)))
  t.equal(new Set(members.map(({ ca }) => ca.authority.active.fingerprint)).size, 1, 'one wins, all have it')
  const [one, two] = members
  const startedAt = performance.now()
  await one!.ca.change((authority) => authority.prepare())
  await sequenceComes(two!, 2)
  t.ok(
    performance.now() - startedAt < 1000,
    `all follow within a second (${Math.round(performance.now() - startedAt)} ms)`,
  )
  await two!.ca.change((authority) => authority.activate())
  await Promise.all(members.map((member) => sequenceComes(member, 3)))

  const control = await startTestControl(t, {
    store: 'kubernetes',
    'trust-domain': 'shared.example',
    'kubernetes-api': address,
    'kubernetes-ca-file': caFile,
    'kubernetes-token-file': tokenFile,
  })
  const trust = `${core}/shop/configmaps/outrider-trust`
  const isThere = (path: string) => async (): Promise<boolean> => {
    control.clock.advance(25)
    return (await ask('GET', path)).status === 200
  }
  await until('published', isThere(trust))
  t.match((await ask('GET', trust)).body, {
    metadata: { annotations: { 'outrider.mesh/trust-sequence': '3' } },
    data: { 'bundle.pem': /^-----BEGIN CERTIFICATE-----/ },
  })
  await ask('DELETE', trust)
  await until('made again', isThere(trust))
  await ask('POST', core, namespace('later', { 'outrider.mesh/inject': 'enabled' }))
  await until('in a new namespace', isThere(`${core}/later/configmaps/outrider-trust`))
  await control.admin.taintAuthority({})
  await Promise.all(members.map((member) => sequenceComes(member, 4)))

  const before = (await ask('GET', secretPath)).body
  t.equal((await ask('PATCH', `${secretPath}?fieldManager=outrider&force=true`, empty, inApplies)).status, 200)
  t.same((await ask('GET', secretPath)).body['data'], before['data'], 'applied again, it keeps what is in it')

  await t.test('what the account may not do', async (t) => {
    const token = readFileSync(tokenFile, 'utf8')
    const configMap = (name: string): object => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: 'shop' },
    })
    for (const [method, path, body, how] of [
      ['GET', `${core}/${CONTROL_NAMESPACE}/secrets`],
      ['GET', `${core}/shop/secrets/outrider-ca`],
      ['DELETE', secretPath],
      ['GET', `${core}/shop/configmaps`],
      ['POST', `${core}/shop/configmaps`, configMap('other')],
      ['PATCH', `${core}/shop/configmaps/other?fieldManager=x`, configMap('other'), inApplies],
    ] as const)
      t.equal((await ask(method, path, body, { token, ...how })).status, 403, `${method} ${path}`)
  })
}
