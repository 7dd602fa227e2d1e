import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SIDECAR_UID } from '../../src/injector/names.ts'
import { packageRoot } from '../../src/lib/package-root.ts'
import { smallApp } from '../apps/small.ts'
import { TRUST_DOMAIN } from '../certificates.ts'
import { type ControlServer, startControl } from '../control-server.ts'
import type { Figure, Values } from '../figures.ts'
import { cpuMicroseconds, peakRssMb, pssKib, rssKib } from '../measure.ts'
import { freePort } from '../ports.ts'
import { Child } from '../processes.ts'
import { outrider } from '../subjects/outrider.ts'
import type { Contest, Scenario } from './scenario.ts'

const BAR_MB = 200
const BAR_READY_MS = 1000
const BAR_REST_MB = 80
const RULES = 100
/** V8 gives memory back when there was no traffic for 8 s. */
const REST_MS = 12_000
const POLL_MS = 5
const NAME = 'image'

const ready: Figure = { key: 'readyMs', head: 'ready after, ms', digits: 0, over: 'median' }
const size: Figure = { key: 'unpackedMb', head: 'unpacked, MB', digits: 1, over: 'median' }
const rest: Figure = { key: 'restMb', head: 'RSS at rest, MB', digits: 1, over: 'median' }

interface Image {
  readonly out: string
  readonly bytes: number
}

function buildImage(folder: string): Image {
  const out = join(folder, 'image')
  const text = execFileSync(process.execPath, [join(packageRoot, 'image', 'build.ts'), '--out', out], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return JSON.parse(text)
}

const idOf = (name: string): string => `spiffe://${TRUST_DOMAIN}/ns/default/sa/${name}`

function documents(): string {
  const rules = Array.from({ length: RULES }, (_, index) => ({
    name: `rule-${index}`,
    from: [{ spiffeIds: [idOf(`caller-${index}`)] }],
    to: [{ methods: ['GET'], paths: [`/v1/records/${index}/*`] }],
  }))
  return [
    ['Workload', NAME, { spiffeId: idOf(NAME) }],
    ['AuthorizationPolicy', NAME, { workloads: [NAME], action: 'ALLOW', rules }],
  ]
    .map(([kind, name, spec]) => JSON.stringify({ apiVersion: 'outrider.mesh/v1', kind, metadata: { name }, spec }))
    .join('\n---\n')
}

const mb = (kib: number): number => (kib * 1024) / 1e6

const statusOf = (port: number): Promise<number> =>
  new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path: '/ready', agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    }).on('error', () => resolve(0))
  })

/** Starts the image's own Node with the image's own program, looks at it, and stops it. */
async function startOnce({ out }: Image, state: string, control: ControlServer, signal: AbortSignal): Promise<Values> {
  const token = (await control.command('token', 'create', '--workload', NAME)).trim()
  const [health, inbound, outbound] = [await freePort(), await freePort(), await freePort()]
  const user = userOfSidecar()
  // As in a pod whose traffic is captured; there are no rules, because there is no traffic.
  const options = {
    'control-address': control.grpc,
    health: `127.0.0.1:${health}`,
    admin: '127.0.0.1:0',
    outbound: '127.0.0.1:0',
    'capture-mode': 'redirect',
    'capture-inbound': `127.0.0.1:${inbound}`,
    'capture-outbound': `127.0.0.1:${outbound}`,
    'capture-inbound-ports': '9',
    'capture-uid': String(user),
    'state-dir': join(state, 'state'),
    'workload-api-socket': join(state, 'workload.sock'),
  }
  const place = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
  const args = [join(out, 'outrider', 'bin', 'outrider'), 'sidecar', ...place]
  const started = performance.now()
  const env = { OUTRIDER_JOIN_TOKEN: token, NODE_ENV: 'production', ...environmentOfImage() }
  const node = join(out, 'usr', 'local', 'bin', 'node')
  const child = new Child('outrider sidecar', node, args, { env, ...(isRoot() ? { uid: user } : {}) })
  try {
    while ((await statusOf(health)) !== 200) {
      if (child.crash !== undefined) throw new Error(child.crash)
      await delay(POLL_MS, undefined, { signal })
    }
    const readyMs = performance.now() - started
    const cpuMs = cpuMicroseconds([child.pid]) / 1000
    await delay(REST_MS, undefined, { signal })
    const pids = [child.pid]
    return { readyMs, cpuMs, restMb: mb(rssKib(pids)), pssMb: mb(pssKib(pids)), peakMb: peakRssMb(pids) }
  } finally {
    await child.stop()
  }
}

const isRoot = (): boolean => process.getuid?.() === 0

/** A sidecar that captures is never root, whose traffic nobody could tell from that of others. */
const userOfSidecar = (): number => (isRoot() ? SIDECAR_UID : (process.getuid?.() ?? SIDECAR_UID))

/** What the Dockerfile sets for malloc: it is part of what is measured. */
function environmentOfImage(): Readonly<Record<string, string>> {
  const [, arenas = ''] = /\bMALLOC_ARENA_MAX=(\d+)/.exec(readFileSync(join(packageRoot, 'Dockerfile'), 'utf8')) ?? []
  return { MALLOC_ARENA_MAX: arenas }
}

async function round({ folder, signal }: Contest): Promise<Values> {
  const image = buildImage(folder)
  const data = join(folder, 'image-control')
  const state = join(folder, 'image-state')
  const control = await startControl(data, signal)
  try {
    mkdirSync(state, { mode: 0o700 })
    if (isRoot()) {
      chmodSync(folder, 0o711)
      chownSync(state, SIDECAR_UID, SIDECAR_UID)
    }
    const file = join(folder, 'image.json')
    writeFileSync(file, documents())
    await control.command('apply', '-f', file)
    return { unpackedMb: image.bytes / 1e6, ...(await startOnce(image, state, control, signal)) }
  } finally {
    await control.child.stop()
    for (const made of [data, state, image.out]) rmSync(made, { recursive: true, force: true })
  }
}

export const image: Scenario = {
  name: NAME,
  question: 'How large is the image, how soon is its sidecar ready, and what memory does it keep at rest?',
  subjects: [outrider],
  app: smallApp,
  available: () => (existsSync('/etc/debian_version') ? undefined : 'the image is built on Debian'),
  load: () =>
    `none: a sidecar of the image, with capture as in a pod, starts with a policy of ${RULES} rules, and rests for ${REST_MS / 1000} s`,
  connections: 1,
  rounds: 7,
  figures: [
    size,
    ready,
    { key: 'cpuMs', head: 'CPU of the start, ms', digits: 0, over: 'median' },
    rest,
    { key: 'pssMb', head: 'PSS at rest, MB', digits: 1, over: 'median' },
    { key: 'peakMb', head: 'peak RSS, MB', digits: 1, over: 'highest' },
  ],
  compared: ready,
  bars: [
    { figure: size, relation: '<=', limit: BAR_MB, peers: [] },
    { figure: ready, relation: '<=', limit: BAR_READY_MS, peers: [] },
    { figure: rest, relation: '<=', limit: BAR_REST_MB, peers: [] },
  ],
  round,
}
