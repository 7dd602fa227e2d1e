// The rules beside those of others, in every variant that the machine has, and what happens where they cannot be made.
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkLeaks } from '../fixtures/leaks.ts'
import { APP_UID, makeNetwork, missingForNamespaces, type Pod, rulesOf } from '../fixtures/namespaces.ts'
import { type Ended, findProgram, launcher, temporaryFolder } from '../fixtures/process.ts'

const missing = missingForNamespaces(['iptables-save', 'ip6tables-save', 'nft', 'sysctl', 'unshare', 'mount'])
if (missing === undefined) await proveRules()
else {
  console.log(`note: the tests of rules are left out: they need ${missing}`)
  t.pass(`left out: needs ${missing}`)
}

async function proveRules(): Promise<void> {
  checkLeaks(t)
  const { pods } = await makeNetwork(t, 2)
  const [pod, other] = pods
  if (pod === undefined || other === undefined) throw new TypeError('two pods were asked for')

  const redirect = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    pod.run(process.execPath, [launcher, 'redirect', ...args], { env: { PATH: '/usr/sbin:/usr/bin', ...env } })
  const said = async (t: Test, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string> => {
    const { code, stdout, stderr } = await redirect(args, env)
    t.equal(code, 0, `${args.join(' ')}: ${stderr}`)
    return stdout
  }

  const options = ['--exclude-outbound-ranges', '10.0.0.0/8,192.0.2.7,2001:db8::/32', '--exclude-interfaces', 'cni0']
  const some = ['--inbound-ports', '8080,9090', '--family', 'ipv4', '--exclude-inbound-ports', '']

  await t.test('rules of others stay as they are, whatever is done with ours', async (t) => {
    await foreignRules(pod)
    for (const backend of ['iptables', 'nft']) {
      // Once, so that the tables of iptables have the chains that ours hang on.
      await said(t, ['apply', '--backend', backend])
      await said(t, ['apply', '--backend', backend, '--mode', 'tproxy'])
      await said(t, ['remove'])
      const before = await rulesOf(pod)
      for (const mode of ['redirect', 'tproxy']) {
        const how = ['--backend', backend, '--mode', mode]
        t.match(await said(t, ['apply', ...how, ...options, '--dry-run']), /^capture checked/)
        t.equal(await rulesOf(pod), before, 'a dry run changes nothing')
        const turned = ['--backend', backend, '--mode', mode === 'redirect' ? 'tproxy' : 'redirect']
        for (const args of [options, [], some]) {
          t.match(await said(t, ['apply', ...how, ...args]), /^capture applied/)
          const once = await rulesOf(pod)
          t.match(await said(t, ['apply', ...how, ...args]), /^capture unchanged/)
          t.equal(await rulesOf(pod), once, 'twice is once')
          t.match(await said(t, ['apply', ...turned]), /^capture applied/, 'the other mode takes its place')
          t.match(await said(t, ['apply', ...how, ...args]), /^capture applied/)
          t.equal(await rulesOf(pod), once, 'and back')
        }
        const there = await rulesOf(pod)
        const refused = await redirect(['apply', '--backend', backend === 'nft' ? 'iptables' : 'nft'])
        t.match(refused.stderr, /\(capture-other-rules\)/)
        t.equal(await rulesOf(pod), there)
        t.match(
          await said(t, ['apply', ...how.slice(2), ...some]),
          new RegExp(`unchanged: ${mode} by ${backend}`),
          'auto goes on with it',
        )
        t.equal(await said(t, ['remove']), 'capture removed\n')
        t.equal(await rulesOf(pod), before)
      }
    }
  })

  const legacy = ['iptables', 'ip6tables'].flatMap((name) =>
    ['', '-save', '-restore'].map((end) => [name, end] as const),
  )
  const has = legacy.every(([name, end]) => findProgram(`${name}-legacy${end}`) !== undefined)
  await t.test('iptables of the legacy variant', { skip: !has && 'it is not installed' }, async (t) => {
    const folder = temporaryFolder(t)
    mkdirSync(join(folder, 'bin'))
    for (const [name, end] of legacy) symlinkSync(findProgram(`${name}-legacy${end}`)!, join(folder, 'bin', name + end))
    const env = { PATH: `${join(folder, 'bin')}:/usr/sbin:/usr/bin` }
    const save = async (): Promise<string> => {
      const { stdout } = await pod.run('iptables-legacy-save', [])
      return stdout.replaceAll(/^#.*\n|\[\d+:\d+\]/gm, '')
    }
    for (const mode of ['redirect', 'tproxy']) {
      const how = ['--backend', 'iptables', '--mode', mode, ...options]
      t.match(await said(t, ['apply', ...how], env), /^capture applied/)
      t.match(await said(t, ['apply', ...how], env), /^capture unchanged/)
      t.match(await save(), /OUTRIDER_INBOUND/)
      t.equal(await said(t, ['remove'], env), 'capture removed\n')
      t.notMatch(await save(), /OUTRIDER|-A /)
    }
  })

  await t.test('what is missing is named, and nothing is changed', async (t) => {
    const before = await rulesOf(other)
    const words = [process.execPath, launcher, 'redirect', 'apply'] as const
    const plain = await other.run(words[0], words.slice(1), { uid: APP_UID })
    t.match(plain, { code: 1, stderr: /CAP_NET_ADMIN.*HTTP_PROXY.*\(capture-privilege\)/ })
    const bounded = await other.run('setpriv', ['--bounding-set', '-net_admin', ...words])
    t.match(bounded, { code: 1, stderr: /\(capture-privilege\)/ })
    // Of its own file system only: a machine without the programs.
    const hidden = ['--mount', 'sh', '-c', 'mount -t tmpfs none /usr/sbin && exec "$@"', 'sh', ...words]
    const bare = await other.run('unshare', hidden, { env: { PATH: '/usr/bin:/bin' } })
    t.match(bare, { code: 1, stderr: /neither a program nft nor iptables.*\(capture-program\)/ })
    const wrong = await other.run(words[0], [...words.slice(1), '--exclude-outbound-ranges', '10.0.0.1/8'])
    t.match(wrong, { code: 2, stderr: /--exclude-outbound-ranges.*bits after its prefix.*\(capture-plan\)/ })
    t.equal(await rulesOf(other), before)
  })

  await t.test('a sidecar of another user does not start', async (t) => {
    const args = ['sidecar', '--capture-outbound', '127.0.0.1:15001', '--admin', '127.0.0.1:0']
    const ended = await other.run(process.execPath, [launcher, ...args], { uid: APP_UID })
    t.match(ended, { code: 1, stderr: /user 15400.*this is user 1000.*\(capture-user\)/ })
  })

  await t.test('a launcher without the privilege says so, and runs nothing', async (t) => {
    const ended = await other.run(process.execPath, [launcher, 'launch'], { uid: APP_UID })
    t.match(ended, { code: 1, stdout: '', stderr: /CAP_NET_ADMIN.*\(transparent-refused\)/ })
    const root = await other.run(process.execPath, [launcher, 'launch', '--uid', '0'])
    t.match(root, { code: 2, stderr: /other than root/ })
  })
}

async function foreignRules(pod: Pod): Promise<void> {
  for (const [file, ...args] of [
    ['iptables', '-t', 'nat', '-A', 'POSTROUTING', '-p', 'tcp', '--dport', '99', '-j', 'MASQUERADE'],
    ['iptables', '-t', 'nat', '-N', 'DOCKER'],
    ['iptables', '-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '98', '-j', 'DOCKER'],
    ['iptables', '-t', 'nat', '-A', 'PREROUTING', '-p', 'tcp', '--dport', '98', '-j', 'DOCKER'],
    ['ip6tables', '-t', 'mangle', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '98', '-j', 'ACCEPT'],
    ['nft', 'add', 'table', 'inet', 'other'],
    ['nft', 'add', 'chain', 'inet', 'other', 'c', '{ type nat hook output priority -100; }'],
    ['nft', 'add', 'rule', 'inet', 'other', 'c', 'tcp', 'dport', '97', 'accept'],
    ['ip', 'rule', 'add', 'fwmark', '0x7', 'lookup', '77'],
    ['ip', 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', '77'],
  ] as const) {
    const { code, stderr } = await pod.run(file, args)
    if (code !== 0) throw new Error(`${file} ${args.join(' ')}: ${stderr}`)
  }
}
