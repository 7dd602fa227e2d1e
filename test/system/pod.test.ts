// Injected pods, run as a kubelet runs them: each mode of capture, identities of service accounts, what each container may do.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkLeaks } from '../fixtures/leaks.ts'
import type { PodRunner } from '../fixtures/kubelet/pod-runner.ts'
import {
  accountId,
  appContainer,
  deployment,
  missingForPods,
  serviceOf,
  startPodMesh,
  workloadOf,
} from '../fixtures/pod-mesh.ts'
import { temporaryFolder } from '../fixtures/process.ts'

const missing = missingForPods(['tcpdump'])
if (missing === undefined) await provePods()
else {
  console.log(`note: the tests of pods are left out: they need ${missing}`)
  t.pass(`left out: needs ${missing}`)
}

async function provePods(): Promise<void> {
  checkLeaks(t)
  const MARKER = 'plaintext-marker-4711'
  const modes = ['redirect', 'tproxy', 'explicit'] as const
  const address = { redirect: '10.96.0.10', tproxy: '10.96.0.11', explicit: '10.96.0.12' } as const
  const mesh = await startPodMesh(t, modes.length, modes)
  const { node, network } = mesh
  await mesh.apply(...modes.flatMap((mode) => [workloadOf(mode), ...serviceOf(mode, address[mode], modes)]))
  const start = (mode: (typeof modes)[number]): Promise<PodRunner> =>
    mesh.run(
      deployment(
        mode,
        {
          annotations: { 'outrider.mesh/mode': mode },
          containers: [appContainer()],
        },
        network,
      ),
    )
  const pods = Object.fromEntries(await Promise.all(modes.map(async (mode) => [mode, await start(mode)] as const)))
  const podOf = (mode: (typeof modes)[number]): PodRunner => {
    const pod = pods[mode]
    if (pod === undefined) throw new TypeError(mode)
    return pod
  }
  await Promise.all(modes.map((mode) => podOf(mode).isReady()))

  const curl = (from: PodRunner, url: string): ReturnType<ReturnType<PodRunner['container']>['running']['exec']> =>
    from.container('app').running.exec(['curl', '-sS', '-m', '10', url])

  await t.test('each by the plain address of its service, or by its name where a proxy is asked', async (t: Test) => {
    const pcap = join(temporaryFolder(t), 'wire.pcap')
    const tcpdump = network.router.start('tcpdump', [
      '-i',
      'any',
      '--immediate-mode',
      '-U',
      '-w',
      pcap,
      '-s',
      '0',
      'tcp',
    ])
    await tcpdump.line(/listening on/)
    for (const from of modes) {
      for (const to of modes) {
        const host = from === 'explicit' ? `${to}.shop` : address[to]
        const { code, stdout, stderr } = await curl(podOf(from), `http://${host}/${MARKER}`)
        t.equal(code, 0, `${from} to ${to}: ${stderr}`)
        const { url, client, localPort } = JSON.parse(stdout)
        t.same([url, localPort], [`/${MARKER}`, 8080])
        t.equal(/URI=(.*)$/.exec(client)?.[1], accountId(from), 'who asked is the service account of the pod')
      }
    }
    await tcpdump.stop('SIGINT')
    const bytes = readFileSync(pcap)
    t.ok(bytes.length > 5000, `${bytes.length} bytes captured`)
    t.equal(bytes.indexOf(MARKER), -1, 'no plaintext on the wire')
  })

  await t.test('order of the start', async (t) => {
    for (const mode of modes) {
      const expected = [
        ...(mode === 'explicit' ? [] : ['outrider-redirect started', 'outrider-redirect ended 0']),
        'outrider started',
        'outrider startup complete',
        'app started',
      ]
      const events = podOf(mode).events.filter((event) => expected.includes(event))
      t.same(events, expected, mode)
    }
  })

  await t.test('what a container may do', async (t) => {
    for (const mode of modes) {
      const pod = podOf(mode)
      const sidecar = pod.container('outrider').running
      const status = readFileSync(`/proc/${sidecar.pid}/status`, 'utf8')
      t.match(status, /^Uid:\t15400\t15400\t15400\t15400\nGid:\t15400\t15400\t15400\t15400$/m)
      t.match(status, /^CapPrm:\t0+\nCapEff:\t0+$/m)
      t.match(status, /^NoNewPrivs:\t1$/m)
      const write = await sidecar.exec(['touch', '/written'])
      t.not(write.code, 0, 'nothing can be written')
      t.match(write.stderr, /Read-only file system/)
    }
  })

  await t.test('whoever is not in the mesh gets nothing', async (t) => {
    for (const mode of ['redirect', 'tproxy'] as const) {
      const { podIp } = podOf(mode)
      const { code, stdout } = await network.router.run('curl', ['-sS', '-m', '3', `http://${podIp}:8080/`])
      t.not(code, 0, mode)
      t.equal(stdout, '')
    }
  })

  await t.test('order of the end', async (t) => {
    await Promise.all(modes.map((mode) => podOf(mode).delete()))
    for (const mode of modes) {
      const { events } = podOf(mode)
      const at = (event: string): number => events.indexOf(event)
      t.ok(at('outrider preStop done') > 0, `${mode}: ${events.join(', ')}`)
      t.ok(at('app SIGTERM') < at('app ended 0'), mode)
      t.ok(at('app ended 0') < at('outrider SIGTERM'), 'the sidecar serves until the application has ended')
      t.equal(events.at(-1), 'outrider ended 0', 'and ends by itself')
    }
    await node.clear()
  })
}
