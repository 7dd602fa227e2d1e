import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { run } from '../../../src/cli/run.ts'
import { parseApiKey } from '../../../src/identity/api-key.ts'
import { compileApiKeys, type ApiKeyVerdict, verifyApiKey } from '../../../src/policy/api-keys.ts'
import { validateResource } from '../../../src/policy/validate.ts'
import { allow, startTestControl, type TestControl, workload } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function outrider({ data, clock }: TestControl, ...argv: readonly string[]): Promise<Said> {
  let [out, err] = ['', '']
  const code = await run(argv, {
    env: { OUTRIDER_DATA: data },
    stdin: (async function* () {})(),
    stdout: { write: (text) => void (out += text), isTerminal: false },
    stderr: { write: (text) => void (err += text), isTerminal: false },
    signal: new AbortController().signal,
    clock,
    random: () => 0.5,
  })
  return { code, out, err }
}

/** What a sidecar would say of a key by what the control server has now. */
async function verdict({ admin, clock }: TestControl, key: string): Promise<ApiKeyVerdict['kind']> {
  const { resources } = await admin.list({ kind: 'ApiKey' })
  const keys = resources.flatMap(({ document }) => {
    const result = validateResource(JSON.parse(document))
    return result.ok && result.resource.kind === 'ApiKey' ? [result.resource] : []
  })
  return verifyApiKey(compileApiKeys(keys), parseApiKey(key)!, clock.now()).kind
}

async function setUp(t: Test): Promise<TestControl> {
  const control = await startTestControl(t)
  await control.apply(workload('web'), workload('api'), allow('all', { workloads: ['api'] }))
  return control
}

const HOUR_MS = 3_600_000

t.test('a key is created, rotated and revoked; only its hash is kept', async (t) => {
  const control = await setUp(t)
  const words = ['--owner', 'shop', '--scope', 'orders:read', '--scope', 'orders:write', '--workload', 'api']
  const created = await outrider(control, 'apikey', 'create', 'shop', ...words)
  t.equal(created.code, 0, created.err)
  const first = created.out.trim()
  t.match(first, /^ork_[a-z0-9]{16}_[\w-]{51}$/)
  t.match(created.err, /the only time that the key is shown/)
  t.equal(await verdict(control, first), 'good')
  const { id, secret } = parseApiKey(first)!
  const everything = ['outrider.db', 'outrider.db-wal', 'audit.log'].map((file) =>
    readFileSync(join(control.data, file)),
  )
  for (const text of [secret.toString('base64url'), secret.toString('hex')]) {
    t.notOk(
      everything.some((bytes) => bytes.includes(text)),
      'the secret is in no file',
    )
    t.notOk(JSON.stringify(control.lines).includes(text), 'nor in the log')
  }
  t.notOk(everything.some((bytes) => bytes.includes(secret)))

  control.clock.advance(1000)
  const rotated = await outrider(control, 'apikey', 'rotate', 'shop', '--overlap', '1h', '-o', 'json')
  t.equal(rotated.code, 0, rotated.err)
  const { key: second, previousNotAfter } = JSON.parse(rotated.out)
  t.equal(Date.parse(previousNotAfter), control.clock.now() + HOUR_MS)
  t.equal(await verdict(control, first), 'good')
  t.equal(await verdict(control, second), 'good')
  control.clock.advance(HOUR_MS)
  t.equal(await verdict(control, first), 'expired')
  t.equal(await verdict(control, second), 'good')

  const third = (await outrider(control, 'apikey', 'rotate', 'shop', '--overlap', '0s')).out.trim()
  t.equal(await verdict(control, first), 'unknown', 'what has ended is forgotten')
  t.equal(await verdict(control, second), 'unknown', 'without an overlap it ends at once')
  t.equal(await verdict(control, third), 'good')

  const revoked = await outrider(control, 'apikey', 'revoke', 'shop')
  t.equal(revoked.code, 0)
  t.equal(await verdict(control, third), 'unknown')
  t.match((await outrider(control, 'apikey', 'list')).out, /default\/shop +shop +orders:read,orders:write +- +revoked/)

  const ref = { kind: 'ApiKey', namespace: 'default', name: 'shop' }
  const { document } = await control.admin.get({ ref })
  await control.apply({ ...JSON.parse(document), spec: { ...JSON.parse(document).spec, owner: 'other' } })
  await control.admin.delete({ ref })
  const events = readFileSync(join(control.data, 'audit.log'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('api-key'))
  t.match(
    events.map((line) => JSON.parse(line)),
    [
      { event: 'api-key-created', apiKey: 'default/shop', owner: 'shop', secretIds: [id] },
      { event: 'api-key-rotated', apiKey: 'default/shop' },
      { event: 'api-key-rotated', apiKey: 'default/shop' },
      { event: 'api-key-revoked', apiKey: 'default/shop' },
      { event: 'api-key-applied', apiKey: 'default/shop' },
      { event: 'api-key-deleted', apiKey: 'default/shop' },
    ],
  )
})

t.test('one secret of several is revoked', async (t) => {
  const control = await setUp(t)
  const first = (await outrider(control, 'apikey', 'create', 'shop', '--owner', 'shop')).out.trim()
  const second = (await outrider(control, 'apikey', 'rotate', 'shop')).out.trim()
  t.equal((await outrider(control, 'apikey', 'revoke', 'shop', '--id', parseApiKey(first)!.id)).code, 0)
  t.equal(await verdict(control, first), 'unknown')
  t.equal(await verdict(control, second), 'good')
})

t.test('what cannot be done is said by its code', async (t) => {
  const control = await setUp(t)
  await outrider(control, 'apikey', 'create', 'shop', '--owner', 'shop')
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['create', 'shop', '--owner', 'shop'], 6, /api-key-exists/],
    [['create', 'x', '--owner', 'x', '--workload', 'nowhere'], 3, /resources-refused/],
    [['create', 'x', '--owner', 'x', '--expires', '10s'], 1, /api-key-lifetime/],
    [['create', 'x', '--owner', 'x', '--expires', '4000d'], 1, /api-key-lifetime/],
    [['create', 'x', '--owner', 'x', '--expires', 'soon'], 2, /usage-duration/],
    [['create', 'x'], 2, /--owner/],
    [['create', 'UPPER', '--owner', 'x'], 3, /resources-refused/],
    [['rotate', 'nobody'], 4, /resource-not-found/],
    [['rotate', 'shop', '--overlap', '91d'], 1, /api-key-overlap/],
    [['revoke', 'nobody'], 4, /resource-not-found/],
    [['revoke', 'shop', '--id', 'aaaaaaaa'], 4, /api-key-secret-unknown/],
    [['destroy', 'shop'], 2, /usage-arguments/],
    [[], 2, /usage-arguments/],
  ]
  for (const [words, code, message] of cases) {
    const said = await outrider(control, 'apikey', ...words)
    t.equal(said.code, code, words.join(' '))
    t.match(said.err, message, words.join(' '))
    t.equal(said.out, '', words.join(' '))
  }
  for (let rotations = 0; rotations < 3; rotations += 1) {
    t.equal((await outrider(control, 'apikey', 'rotate', 'shop', '--overlap', '1h')).code, 0)
  }
  t.equal(
    (await outrider(control, 'apikey', 'rotate', 'shop', '--overlap', '1h')).code,
    3,
    'at most 4 are good at a time',
  )
})

t.test('a key without an end, in the list as JSON', async (t) => {
  const control = await setUp(t)
  await outrider(control, 'apikey', 'create', 'robot', '--owner', 'robot', '--expires', 'never', '-n', 'default')
  t.match(JSON.parse((await outrider(control, 'apikey', 'list', '-o', 'json')).out), [
    {
      name: 'default/robot',
      owner: 'robot',
      state: 'good',
      secrets: [{ state: 'good', notAfter: null, lastUsed: null }],
    },
  ])
})

t.test('last use is what sidecars say of keys that their workload accepts', async (t) => {
  const control = await setUp(t)
  const create = async (name: string, ...words: readonly string[]): Promise<string> => {
    const said = await outrider(control, 'apikey', 'create', name, '--owner', name, '--expires', 'never', ...words)
    return parseApiKey(said.out.trim())!.id
  }
  const [ours, others] = [await create('ours'), await create('others', '--workload', 'api')]
  const sidecar = await control.join('web')
  const stream = sidecar.client.subscribe()
  const updated = new Promise<void>((resolve) => {
    stream.onMessage(({ nonce, revision }) => {
      stream.send({ ack: { nonce, revision } })
      resolve()
    })
  })
  stream.onEnd(() => {})
  stream.send({ hello: { sidecarId: 'one', programVersion: '1' } })
  await updated
  const seconds = Math.floor(control.clock.now() / 1000)
  const used = (id: string, at: number): object => ({ id, lastUsed: { seconds: at, nanos: 0 } })
  stream.send({
    apiKeyUse: { secrets: [used(ours, seconds - 60), used(others, seconds), used('aaaaaaaaaaaaaaaa', seconds)] },
  })
  const lastUsed = async (): Promise<Record<string, unknown>> => {
    const { keys } = await control.admin.listApiKeys({})
    return Object.fromEntries(keys.map(({ name, secrets }) => [name, secrets[0]?.lastUsed?.seconds ?? null]))
  }
  const eventually = async (wanted: Record<string, unknown>): Promise<void> => {
    for (let tries = 0; tries < 500; tries += 1) {
      if (JSON.stringify(await lastUsed()) === JSON.stringify(wanted)) return
    }
    t.same(await lastUsed(), wanted)
  }
  const before = (await control.admin.getStatus({})).revision
  await eventually({ others: null, ours: seconds - 60 })
  stream.send({ apiKeyUse: { secrets: [used(ours, seconds - 120)] } })
  stream.send({ apiKeyUse: { secrets: [used(ours, seconds + 1_000_000)] } })
  await eventually({ others: null, ours: seconds })
  t.equal((await control.admin.getStatus({})).revision, before, 'no revision was made for it')
  stream.cancel()
  sidecar.close()
})

t.test('a report that is too long ends the stream', async (t) => {
  const control = await setUp(t)
  const sidecar = await control.join('web')
  const stream = sidecar.client.subscribe()
  const ended = new Promise<string | undefined>((resolve) => {
    stream.onEnd((error) => resolve(error?.code))
  })
  stream.onMessage(() => {})
  stream.send({ hello: { sidecarId: 'one', programVersion: '1' } })
  stream.send({ apiKeyUse: { secrets: Array.from({ length: 1001 }, (_, index) => ({ id: `id${index}` })) } })
  t.equal(await ended, 'stream-protocol')
  sidecar.close()
})
