import t, { type Test } from 'tap'
import { makeTestCa } from '../../fixtures/ca.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { credentialsOf, idOf, TRUST_DOMAIN } from '../../fixtures/sidecar.ts'
import {
  decodeSecret,
  type ForeignClient,
  type Message,
  secretClient,
  startWorkloadApi,
  type TestWorkloadApi,
} from '../../fixtures/workload-api.ts'

checkLeaks(t)

const ca = makeTestCa(TRUST_DOMAIN)
const other = makeTestCa('other.test')
const both = new Map([...ca.bundles(), ...other.bundles()])
const web = '/ns/default/sa/web'
const type_url = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'
const notFound = 5

async function start(t: Test): Promise<{ api: TestWorkloadApi; client: ForeignClient }> {
  const api = await startWorkloadApi(t, { credentials: credentialsOf(ca.issue(web), both) })
  return { api, client: secretClient(t, api.socket) }
}

/** The secrets of a response, by name. */
function secretsOf({ resources }: Message): Readonly<Record<string, Message>> {
  return Object.fromEntries(
    resources.map((each: Message) => {
      const secret = decodeSecret(each['resource'] ?? each)
      return [secret['name'], secret]
    }),
  )
}

/** Roots by trust domain, as Envoy's SPIFFE validator gets them. */
function rootsOf(secret: Message | undefined): Readonly<Record<string, string>> {
  const { name, typed_config } = secret?.['validation_context'].custom_validator_config ?? {}
  if (name !== 'envoy.tls.cert_validator.spiffe') throw new Error('no SPIFFE validator')
  const { trust_domains } = decodeSecret(typed_config)
  return Object.fromEntries(
    trust_domains.map((domain: Message) => [domain['name'], String(domain['trust_bundle'].inline_bytes)]),
  )
}

t.test('state of the world: asked for, acknowledged, and told of renewals', async (t) => {
  const { api, client } = await start(t)
  const stream = client.converse('StreamSecrets')
  stream.send({ type_url, resource_names: ['default', 'ROOTCA'], node: { id: 'envoy-1' } })
  const first = await stream.next()
  const secrets = secretsOf(first)
  const { svid } = api.credentials.current
  t.equal(String(secrets['default']?.['tls_certificate'].certificate_chain.inline_bytes), svid.chainPem)
  t.match(
    String(secrets['default']?.['tls_certificate'].private_key.inline_bytes),
    new RegExp(['BEGIN', 'PRIVATE', 'KEY'].join(' ')),
  )
  t.same(rootsOf(secrets['ROOTCA']), { [TRUST_DOMAIN]: ca.pem }, 'of our trust domain, for it alone')
  t.equal(secrets['ROOTCA']?.['validation_context'].trusted_ca, null, 'no roots that would count for all')
  const ack = { type_url, resource_names: ['default', 'ROOTCA'], version_info: first['version_info'] }
  stream.send({ ...ack, response_nonce: first['nonce'] })

  api.credentials.set(credentialsOf(ca.issue(web), both))
  const second = await stream.next()
  t.not(second['version_info'], first['version_info'])
  t.not(second['nonce'], first['nonce'])
  stream.send({ ...ack, response_nonce: first['nonce'], resource_names: ['ALL'] })
  stream.send({ ...ack, response_nonce: second['nonce'], resource_names: [idOf('web')] })
  const third = await stream.next()
  t.same(Object.keys(secretsOf(third)), [idOf('web')], 'an answer to an older message counts for nothing')
  stream.finish()
  t.equal(await stream.ended, undefined)
})

t.test('what a client refuses is logged, and sent again only when it has changed', async (t) => {
  const { api, client } = await start(t)
  const stream = client.converse('StreamSecrets')
  stream.send({ type_url, resource_names: ['default'], node: { id: 'envoy-1' } })
  const first = await stream.next()
  const nack = { type_url, resource_names: ['default'], response_nonce: first['nonce'] }
  stream.send({ ...nack, node: { id: 'envoy-1' }, error_detail: { code: 3, message: 'key does not match' } })
  t.match(await api.lines.take(({ level }) => level === 'error'), { node: '"envoy-1"', reason: '"key does not match"' })
  api.credentials.set(credentialsOf(ca.issue(web), both))
  t.not((await stream.next())['version_info'], first['version_info'])
  t.equal(stream.unread.length, 0)
})

t.test('names', async (t) => {
  const { client } = await start(t)
  const fetch = (...resource_names: string[]): Promise<Message> =>
    client.unary('FetchSecrets', { type_url, resource_names })
  t.same(Object.keys(secretsOf(await fetch())), [idOf('web'), `spiffe://${TRUST_DOMAIN}`, 'spiffe://other.test'])
  t.same(rootsOf(secretsOf(await fetch('ALL'))['ALL']), { [TRUST_DOMAIN]: ca.pem, 'other.test': other.pem })
  t.same(rootsOf(secretsOf(await fetch('spiffe://other.test'))['spiffe://other.test']), { 'other.test': other.pem })
  await t.rejects(fetch('default', idOf('api')), { code: notFound, details: /there is no secret/ })
  await t.rejects(fetch('spiffe://third.test'), { code: notFound })
  await t.rejects(client.unary('FetchSecrets', { type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' }), {
    message: /resources of type/,
  })
  await t.rejects(fetch(...Array.from({ length: 65 }, (_, index) => `n${index}`)), { message: /64 secrets/ })
})

t.test('deltas: what is new, what has changed, and what is gone', async (t) => {
  const { api, client } = await start(t)
  const stream = client.converse('DeltaSecrets')
  stream.send({ type_url, resource_names_subscribe: ['default', 'spiffe://other.test', 'nobody'], node: { id: 'e' } })
  const first = await stream.next()
  t.same(Object.keys(secretsOf(first)), ['default', 'spiffe://other.test'])
  t.same(first['removed_resources'], ['nobody'])
  stream.send({ type_url, response_nonce: first['nonce'] })

  api.credentials.set(credentialsOf(ca.issue(web), both))
  const second = await stream.next()
  t.same(Object.keys(secretsOf(second)), ['default'])
  stream.send({ type_url, response_nonce: second['nonce'], error_detail: { code: 3, message: 'no' } })
  t.match(await api.lines.take(({ level }) => level === 'error'), { reason: '"no"' })

  const { svid } = api.credentials.current
  api.credentials.set({ svid, bundles: ca.bundles() })
  const third = await stream.next()
  t.same([third['resources'], third['removed_resources']], [[], ['spiffe://other.test']])

  stream.send({ type_url, resource_names_unsubscribe: ['default'], resource_names_subscribe: ['ROOTCA'] })
  t.same(Object.keys(secretsOf(await stream.next())), ['ROOTCA'])
  api.credentials.set(credentialsOf(ca.issue(web), ca.bundles()))
  stream.send({ type_url, resource_names_subscribe: ['ALL'] })
  t.same(Object.keys(secretsOf(await stream.next())), ['ALL'], 'nothing of what is not subscribed to')
})

t.test('a delta client that comes back says what it has', async (t) => {
  const { client } = await start(t)
  const stream = client.converse('DeltaSecrets')
  stream.send({ type_url, resource_names_subscribe: ['default', 'ROOTCA'] })
  const { resources } = await stream.next()
  stream.cancel()
  const versions = Object.fromEntries(resources.map(({ name, version }: Message) => [name, version]))
  const again = client.converse('DeltaSecrets')
  again.send({
    type_url,
    resource_names_subscribe: ['default', 'ROOTCA', 'ALL'],
    initial_resource_versions: { ...versions, default: 'old' },
  })
  t.same(Object.keys(secretsOf(await again.next())).toSorted(), ['ALL', 'default'])
})

t.test('a secret that goes ends a stream that asked for it', async (t) => {
  const { api, client } = await start(t)
  const stream = client.converse('StreamSecrets')
  stream.send({ type_url, resource_names: ['spiffe://other.test'] })
  await stream.next()
  api.credentials.set({ svid: api.credentials.current.svid, bundles: ca.bundles() })
  t.match(await stream.ended, { code: notFound })
})
