// The programs of the image as containers run them: read-only root, no new privileges, only the capabilities that are named.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { containerPrograms, containersOf, NET_ADMIN, NET_BIND_SERVICE, SETGID, SETUID } from '../fixtures/container.ts'
import { buildImage, emptyFolder } from '../fixtures/image.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { makeNetwork, missingForNamespaces, rulesOf, SIDECAR_UID } from '../fixtures/namespaces.ts'
import { type Program, temporaryFolder } from '../fixtures/process.ts'

/** The bar: from the start of the process to the first 200 of /ready, with the control server there. */
const MAX_START_MS = 1000
/** Other work on the machine delays a start: one that was not delayed says how long it takes. */
const STARTS = 5
/** Processor time of a start. It hardly depends on what else the machine does. */
const MAX_START_CPU_MS = 1000
const HEALTH = 15_020
const CONTROL = 15_412
const DATA = '/var/lib/outrider'
const TRUST_DOMAIN = 'image.test'

const readyWatch = fileURLToPath(new URL('../fixtures/ready-watch.ts', import.meta.url))

const missing = missingForNamespaces([...containerPrograms, 'dpkg-query', 'ldd', 'nft', 'sysctl'])
if (missing === undefined) await proveContainers()
else {
  console.log(`note: the tests of the image's containers are left out: they need ${missing}`)
  t.pass(`left out: needs ${missing}`)
}

async function proveContainers(): Promise<void> {
  checkLeaks(t)
  const { pods } = await makeNetwork(t, 2)
  const [one, two] = pods
  if (one === undefined || two === undefined) throw new TypeError('two pods were asked for')
  const folder = temporaryFolder(t)
  const image = await buildImage(t, join(folder, 'image'))
  const containers = containersOf(image.out)
  const emptyDir = (name: string): { source: string; target: string } => ({
    source: emptyFolder(folder, name),
    target: DATA,
  })

  await t.test('every module of the program finds what it imports, and every package loads', async (t) => {
    const script = `
      const { globSync, readFileSync } = process.getBuiltinModule('node:fs')
      const entry = /^dist\\/main\\.js$|thread|worker/
      const files = globSync('dist/**/*.js').filter((file) => !entry.test(file))
      for (const file of files) await import('/outrider/' + file)
      for (const file of globSync('dist/**/*.js').filter((file) => entry.test(file))) {
        for (const [, name] of readFileSync(file, 'utf8').matchAll(/from '([^.'][^']*)'/g)) await import(name)
      }
      const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
      const names = Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !name.startsWith('node-linux-'))
      for (const name of names) await import(name)
      console.log(JSON.stringify({ files: files.length, names: names.length }))`
    const { code, stdout, stderr } = await containers.run(one, ['--input-type=module', '--eval', script])
    t.match({ code, stderr }, { code: 0, stderr: '' })
    const { files, names } = JSON.parse(stdout)
    t.ok(files > 400 && names > 8, `${files} modules, ${names} packages`)
  })

  await t.test('nothing can be written but what is mounted', async (t) => {
    const script = `
      const { writeFileSync } = process.getBuiltinModule('node:fs')
      for (const path of ['/outrider/x', '/x', '/etc/passwd', '/tmp/x', '${DATA}/x']) {
        try { writeFileSync(path, 'x'); console.log(path + ' written') } catch (error) { console.log(path + ' ' + error.code) }
      }`
    const volumes = [emptyDir('written')]
    const { stdout } = await containers.run(one, ['--eval', script], { volumes })
    t.equal(stdout, `/outrider/x EROFS\n/x EROFS\n/etc/passwd EROFS\n/tmp/x EROFS\n${DATA}/x written\n`)
  })

  await t.test('names are resolved by /etc/hosts and by the resolver', async (t) => {
    const resolv = join(folder, 'resolv.conf')
    writeFileSync(resolv, 'nameserver 127.0.0.1\noptions timeout:2 attempts:2\n')
    // An answer of one address to each question for one; nothing for IPv6.
    const script = `
      const dgram = process.getBuiltinModule('node:dgram')
      const { lookup } = process.getBuiltinModule('node:dns').promises
      const server = dgram.createSocket('udp4')
      server.on('message', (question, { port }) => {
        const four = question.readUInt16BE(question.length - 4) === 1
        const head = Buffer.from(question)
        head.writeUInt16BE(0x8180, 2)
        head.writeUInt16BE(four ? 1 : 0, 6)
        const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7])
        server.send(four ? Buffer.concat([head, answer]) : head, port, '127.0.0.1')
      })
      server.bind(53, '127.0.0.1', async () => {
        console.log(JSON.stringify([await lookup('localhost', 4), await lookup('orders.shop.svc', 4)]))
        server.close()
      })`
    const { code, stdout, stderr } = await containers.run(one, ['--eval', script], {
      uid: 0,
      capabilities: [NET_BIND_SERVICE],
      volumes: [{ source: resolv, target: '/etc/resolv.conf' }],
    })
    t.match({ code, stderr }, { code: 0, stderr: '' })
    const [local, remote] = JSON.parse(stdout)
    t.match([local, remote], [{ address: '127.0.0.1' }, { address: '192.0.2.7' }])
  })

  await t.test('control server, sidecar and launcher', async (t) => {
    const volumes = [emptyDir('control')]
    const place = ['--listen', `${one.ipv4}:${CONTROL}`, '--admin', '127.0.0.1:15490', '--data', DATA]
    const control = containers.start(one, outrider('control', ...place, '--trust-domain', TRUST_DOMAIN), { volumes })
    await control.line(/"ready":"control"/)
    const command = async (args: readonly string[], input?: string): Promise<string> => {
      const words = outrider(...args, '--socket', `${DATA}/admin.sock`)
      const ended = await containers.run(one, words, { volumes, ...(input === undefined ? {} : { input }) })
      if (ended.code !== 0) throw new Error(ended.stderr)
      return ended.stdout.trim()
    }
    await command(['apply', '-f', '-'], policy())

    let best = Number.POSITIVE_INFINITY
    for (let start = 1; start <= STARTS && best > MAX_START_MS; start += 1) {
      const token = await command(['token', 'create', '--workload', 'default/api'])
      const watching = two.start(process.execPath, [readyWatch, '127.0.0.1', String(HEALTH)])
      await watching.line(/watching/)
      const flags = ['--control-address', `${one.ipv4}:${CONTROL}`, '--health', `127.0.0.1:${HEALTH}`]
      const inbound = ['--inbound', `${two.ipv4}:15406=127.0.0.1:8080`, '--state-dir', `${DATA}/sidecar`]
      const sidecar = containers.start(two, outrider('sidecar', ...flags, ...inbound), {
        volumes: [emptyDir(`sidecar-${start}`)],
        env: { OUTRIDER_JOIN_TOKEN: token },
      })
      const { started } = JSON.parse(await sidecar.line(/"started"/))
      const { ready } = JSON.parse(await watching.line(/"ready"/))
      best = Math.min(best, ready - started)
      const { cpuMs, rssMb, pssMb } = figuresOf(sidecar)
      console.log(
        `note: sidecar of the image, start ${start}: ready after ${ready - started} ms, ${cpuMs} ms of CPU with the making of the container; at that moment RSS ${rssMb} MB, PSS ${pssMb} MB`,
      )
      t.ok(cpuMs <= MAX_START_CPU_MS, `${cpuMs} ms of CPU`)
      const status = readFileSync(`/proc/${sidecar.pid}/status`, 'utf8')
      for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb']) t.match(status, new RegExp(`^Cap${set}:\\t0+$`, 'm'))
      t.match(status, new RegExp(`^NoNewPrivs:\\t1$`, 'm'))
      t.match(status, new RegExp(`^Uid:\\t${SIDECAR_UID}\\t`, 'm'))
      const drained = await containers.run(two, outrider('drain'))
      t.match(drained, { code: 0 }, 'the preStop hook of a pod')
      t.match(await sidecar.stop(), { code: 0 })
      await watching.ended
    }
    t.ok(best <= MAX_START_MS, `ready after ${best} ms at best`)

    const token = await command(['token', 'create', '--workload', 'default/api'])
    const launched = containers.start(two, outrider('launch', '--', '--control-address', `${one.ipv4}:${CONTROL}`), {
      uid: 0,
      capabilities: [NET_ADMIN, SETGID, SETUID],
      volumes: [emptyDir('launched')],
      env: { OUTRIDER_JOIN_TOKEN: token },
    })
    t.match(await launched.line(/"ready":"sidecar"/), /"captureInbound":"\[::\]:15006"/, 'transparent sockets are open')
    const status = readFileSync(`/proc/${launched.pid}/status`, 'utf8')
    t.match(
      status,
      new RegExp(`^Uid:\\t${SIDECAR_UID}\\t${SIDECAR_UID}\\t`, 'm'),
      'and the launcher has become a sidecar',
    )
    for (const set of ['Prm', 'Eff', 'Amb']) t.match(status, new RegExp(`^Cap${set}:\\t0+$`, 'm'))
    t.match(await launched.stop(), { code: 0 })
    t.match(await control.stop(), { code: 0 })
  })

  await t.test('the capture step, and nobody else, makes rules', async (t) => {
    const capture = { uid: 0, capabilities: [NET_ADMIN] }
    const before = await rulesOf(two)
    for (const mode of ['redirect', 'tproxy']) {
      const said = async (...args: readonly string[]): Promise<string> => {
        const { code, stdout, stderr } = await containers.run(two, outrider('redirect', ...args), capture)
        t.match({ code, stderr }, { code: 0, stderr: '' }, args.join(' '))
        return stdout
      }
      const rules = await said('print', '--mode', mode)
      t.match(rules, /^# nft -f -\n[\s\S]*table inet outrider/)
      t.match(await said('apply', '--mode', mode), `capture applied: ${mode} by nft, ipv4 and ipv6\n`)
      t.match(await rulesOf(two), 'table inet outrider', 'they are there')
      t.match(await said('apply', '--mode', mode), /^capture unchanged/)
      t.match(await said('remove'), 'capture removed')
      t.equal(await rulesOf(two), before)
    }
    const without = await containers.run(two, outrider('redirect', 'apply'), { uid: 0, capabilities: [] })
    t.match(without, { code: 1, stderr: /\(capture-privilege\)/ })
    const script =
      "try { require('child_process').execFileSync('/usr/sbin/nft', ['--version']) } catch (e) { console.log(e.code) }"
    t.match(await containers.run(two, ['--eval', script]), { stdout: 'EACCES\n' }, 'the sidecar cannot run its tools')
  })
}

function outrider(...args: readonly string[]): readonly string[] {
  return ['bin/outrider', ...args]
}

/** A workload with a hundred rules. */
function policy(): string {
  const rules = Array.from({ length: 100 }, (_, index) => ({
    name: `rule-${index}`,
    from: [{ spiffeIds: [`spiffe://${TRUST_DOMAIN}/ns/default/sa/caller-${index}`] }],
    to: [{ methods: ['GET'], paths: [`/v1/records/${index}/*`] }],
  }))
  const specs: readonly (readonly [kind: string, name: string, spec: object])[] = [
    ['Workload', 'api', { spiffeId: `spiffe://${TRUST_DOMAIN}/ns/default/sa/api` }],
    ['AuthorizationPolicy', 'rules', { workloads: ['api'], action: 'ALLOW', rules }],
  ]
  return specs
    .map(([kind, name, spec]) => JSON.stringify({ apiVersion: 'outrider.mesh/v1', kind, metadata: { name }, spec }))
    .join('\n---\n')
}

/** Of a process now: its processor time, and its resident memory in MB (10^6 bytes), whole and with shared pages divided. */
function figuresOf({ pid }: Program): { cpuMs: number; rssMb: string; pssMb: string } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const [utime = 0, stime = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  const memory = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mb = (field: string): string => {
    const kib = Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(memory)?.[1] ?? 0)
    return ((kib * 1024) / 1e6).toFixed(1)
  }
  // Ticks of 10 ms.
  return { cpuMs: (utime + stime) * 10, rssMb: mb('Rss'), pssMb: mb('Pss') }
}
