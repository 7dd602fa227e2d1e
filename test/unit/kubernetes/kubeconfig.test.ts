import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { kubeconfigFiles, type KubeconfigCluster, readKubeconfig } from '../../../src/kubernetes/kubeconfig.ts'
import { OutriderError } from '../../../src/lib/errors.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { temporaryFolder } from '../../fixtures/control.ts'

const ca = makeTestCa('cluster.test')
const leaf = ca.issue('/admin')
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const SECRET = 'top-secret-token'

interface Parts {
  readonly cluster?: object
  readonly user?: object
  readonly context?: object
  readonly more?: object
}

function config({ cluster, user, context, more }: Parts = {}): string {
  return JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'home',
      clusters: [{ name: 'c', cluster: { server: 'https://api.test:6443', ...cluster } }],
      users: [{ name: 'u', user: user ?? { token: SECRET } }],
      contexts: [{ name: 'home', context: { cluster: 'c', user: 'u', ...context } }],
      ...more,
    },
    null,
    2,
  )
}

function write(t: Test, text: string, mode = 0o600, name = 'config'): string {
  const path = join(temporaryFolder(t), name)
  writeFileSync(path, text, { mode })
  chmodSync(path, mode)
  return path
}

function read(t: Test, parts: Parts | string, context?: string): KubeconfigCluster {
  const file = write(t, typeof parts === 'string' ? parts : config(parts))
  return readKubeconfig({ file, context, env: {} })
}

function refused(t: Test, parts: Parts | string, code: string, message: RegExp): void {
  try {
    read(t, parts)
    t.fail(`${code} was expected`)
  } catch (error) {
    if (!(error instanceof OutriderError)) throw error
    t.equal(error.code, code, error.message)
    t.match(error.message, message)
    t.notMatch(error.message, SECRET)
  }
}

t.test('a server, who to believe for it, and who we are', async (t) => {
  t.match(read(t, {}), {
    context: 'home',
    warnings: [],
    connection: { url: new URL('https://api.test:6443'), token: SECRET },
  })
  const certificates = {
    'client-certificate-data': base64(leaf.chainPem),
    'client-key-data': base64(leaf.keyPem),
  }
  const cluster = { 'certificate-authority-data': base64(ca.pem), 'tls-server-name': 'kubernetes.default' }
  const { connection } = read(t, { cluster, user: certificates })
  t.equal(connection.caPem, ca.pem)
  t.equal(connection.serverName, 'kubernetes.default')
  t.equal(connection.certificatePem, leaf.chainPem)
  t.equal(connection.keyPem, leaf.keyPem)
  t.equal(connection.token, undefined)
})

t.test('paths in a file are relative to it; data win over files, and a file of a token over a token', async (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'pki'))
  writeFileSync(join(folder, 'pki', 'ca.crt'), ca.pem)
  writeFileSync(join(folder, 'pki', 'admin.crt'), leaf.chainPem)
  writeFileSync(join(folder, 'pki', 'admin.key'), leaf.keyPem)
  const file = join(folder, 'config')
  const user = { 'client-certificate': 'pki/admin.crt', 'client-key': 'pki/admin.key', tokenFile: 'token', token: 'no' }
  const text = config({ cluster: { 'certificate-authority': 'pki/ca.crt' }, user })
  writeFileSync(file, text, { mode: 0o600 })
  const { connection } = readKubeconfig({ file, context: undefined, env: {} })
  t.match(connection, {
    caPem: ca.pem,
    certificatePem: leaf.chainPem,
    keyPem: leaf.keyPem,
    tokenFile: join(folder, 'token'),
  })
  t.equal(connection.token, undefined)
  const other = makeTestCa('other.test')
  const both = { 'certificate-authority': 'nowhere', 'certificate-authority-data': base64(other.pem) }
  t.equal(read(t, { cluster: both }).connection.caPem, other.pem)
})

t.test('which files, and which context', async (t) => {
  t.same(kubeconfigFiles({ KUBECONFIG: '/a::/b', HOME: '/home/me' }), ['/a', '/b'])
  t.same(kubeconfigFiles({ KUBECONFIG: '', HOME: '/home/me' }), ['/home/me/.kube/config'])
  t.same(kubeconfigFiles({}), [])
  const first = write(t, config({ user: { token: 'first' }, more: { 'current-context': '' } }))
  const second = write(
    t,
    config({
      user: { token: 'second' },
      more: {
        'current-context': 'away',
        contexts: [
          { name: 'away', context: { cluster: 'far', user: 'u' } },
          { name: 'home', context: { cluster: 'far', user: 'u' } },
        ],
        clusters: [{ name: 'far', cluster: { server: 'https://far.test' } }],
      },
    }),
  )
  const env = { KUBECONFIG: [first, '/does/not/exist', second].join(':') }
  const away = readKubeconfig({ file: undefined, context: undefined, env })
  t.match(
    away,
    { context: 'away', connection: { url: new URL('https://far.test'), token: 'first' } },
    'the first counts',
  )
  t.match(readKubeconfig({ file: undefined, context: 'home', env }).connection.url.host, 'api.test:6443')
  t.throws(() => readKubeconfig({ file: undefined, context: 'hom', env }), {
    code: 'kubeconfig-context',
    message: /no context "hom" \(did you mean "home"\?\).*there are home, away/,
  })
  t.throws(() => readKubeconfig({ file: '/does/not/exist', context: undefined, env: {} }), {
    code: 'kubeconfig-missing',
    message: /there is no \/does\/not\/exist; give --kubeconfig FILE/,
  })
  t.throws(() => readKubeconfig({ file: undefined, context: undefined, env: {} }), {
    code: 'kubeconfig-missing',
    message: /KUBECONFIG and HOME are not set/,
  })
  const many = { KUBECONFIG: Array.from({ length: 65 }, (_, index) => `/f${index}`).join(':') }
  t.throws(() => readKubeconfig({ file: undefined, context: undefined, env: many }), {
    message: /65 files, at most 64/,
  })
})

t.test('what would be less safe, or is not supported, is refused and says what to do', async (t) => {
  const place = /config:\d+:\d+: /
  refused(t, { cluster: { 'insecure-skip-tls-verify': true } }, 'kubeconfig-insecure', /certificate-authority-data/)
  refused(t, { cluster: { 'insecure-skip-tls-verify': true } }, 'kubeconfig-insecure', place)
  refused(t, { cluster: { server: 'http://api.test' } }, 'kubeconfig-insecure', /server: is not https/)
  refused(t, { cluster: { 'proxy-url': 'http://proxy' } }, 'kubeconfig-unsupported', /proxies are not supported/)
  const exec = { command: 'aws', apiVersion: 'client.authentication.k8s.io/v1' }
  refused(t, { user: { exec } }, 'kubeconfig-unsupported', /users\[0\]\.user\.exec: .*kubectl create token/)
  refused(t, { user: { 'auth-provider': { name: 'gcp' } } }, 'kubeconfig-unsupported', /kubectl create token/)
  refused(t, { user: { username: 'me', password: SECRET } }, 'kubeconfig-unsupported', /no passwords/)
  refused(t, { user: { token: SECRET, as: 'root' } }, 'kubeconfig-unsupported', /act as somebody else/)
  refused(t, { user: {} }, 'kubeconfig-unsupported', /is missing, and so is a client certificate/)
  t.match(read(t, { cluster: { 'insecure-skip-tls-verify': false } }).context, 'home')
})

t.test('what is wrong is told with its place, and no secret', async (t) => {
  refused(t, 'clusters: [', 'kubeconfig-malformed', /config:\d+:\d+: /)
  refused(t, `users:\n- token: ${SECRET}\n  bad\n`, 'kubeconfig-malformed', /config:\d+:\d+: /)
  refused(t, '- a\n', 'kubeconfig-malformed', /no object of kind Config/)
  refused(t, '{}\n---\n{}\n', 'kubeconfig-malformed', /2 documents/)
  refused(t, { more: { kind: 'Pod' } }, 'kubeconfig-malformed', /kind: is not Config/)
  refused(t, { more: { apiVersion: 'v2' } }, 'kubeconfig-malformed', /apiVersion: is not v1/)
  refused(t, { more: { clusters: {} } }, 'kubeconfig-malformed', /clusters: is no list/)
  refused(t, { more: { clusters: [{ cluster: {} }] } }, 'kubeconfig-malformed', /clusters\[0\]: has no name/)
  refused(t, { more: { users: [{ name: 'u' }] } }, 'kubeconfig-malformed', /users\[0\]: has no user/)
  refused(t, { cluster: { server: '' } }, 'kubeconfig-malformed', /server: is missing/)
  refused(t, { cluster: { server: 'api.test:6443' } }, 'kubeconfig-insecure', /is not https/)
  refused(t, { cluster: { server: `https://me:${SECRET}@api.test` } }, 'kubeconfig-malformed', /more than host, port/)
  refused(t, { cluster: { server: 7 } }, 'kubeconfig-malformed', /server: is no text/)
  refused(t, { cluster: { 'certificate-authority-data': 'AAAA' } }, 'kubeconfig-malformed', /is not PEM in base64/)
  refused(t, { cluster: { 'certificate-authority': 'nowhere.crt' } }, 'kubeconfig-unreadable', /nowhere\.crt: ENOENT/)
  refused(t, { user: { 'client-certificate-data': base64(leaf.chainPem) } }, 'kubeconfig-malformed', /go together/)
  refused(
    t,
    { user: { 'client-key-data': base64(leaf.keyPem) } },
    'kubeconfig-malformed',
    /client-certificate: is missing/,
  )
  refused(
    t,
    { context: { cluster: 'x' } },
    'kubeconfig-context',
    /contexts\[0\]\.context\.cluster: there is no cluster "x"/,
  )
  refused(t, { context: { user: '' } }, 'kubeconfig-context', /user: is missing/)
  refused(t, { more: { 'current-context': '' } }, 'kubeconfig-context', /no current-context; give --context: home/)
  refused(t, '', 'kubeconfig-context', /there is no context at all/)
})

t.test('a file that others can read is worth a word', async (t) => {
  const file = write(t, config(), 0o644)
  const { warnings } = readKubeconfig({ file, context: undefined, env: {} })
  t.match(warnings, [/has mode 644: others can read the credentials in it; chmod 600 /])
  const folder = temporaryFolder(t)
  t.throws(() => readKubeconfig({ file: folder, context: undefined, env: {} }), {
    code: 'kubeconfig-unreadable',
    message: /is no file/,
  })
  const large = write(t, ' '.repeat(1024 * 1024 + 1))
  t.throws(() => readKubeconfig({ file: large, context: undefined, env: {} }), { message: /at most 1048576 are read/ })
})
