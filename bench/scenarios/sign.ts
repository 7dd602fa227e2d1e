import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { smallApp } from '../apps/small.ts'
import { TRUST_DOMAIN } from '../certificates.ts'
import { runClient } from '../clients/run.ts'
import { type ControlServer, startControl } from '../control-server.ts'
import { errors, type Figure, type Values } from '../figures.ts'
import { outrider } from '../subjects/outrider.ts'
import type { Contest, Scenario } from './scenario.ts'

const WARM_UP_S = 1
const PREFIX = 'member-'

const perCpuSecond: Figure = { key: 'svidsPerCpuSecond', head: 'SVIDs per CPU s', digits: 0, over: 'median' }

/** No limit of its own: what is measured is the work. */
function flags(workloads: number): readonly string[] {
  return ['--sign-per-second', '100000', '--attest-burst', String(workloads * 10)]
}

async function measureRenewals(
  control: ControlServer,
  { connections, seconds, signal, folder }: Contest,
): Promise<Values> {
  const documents = Array.from({ length: connections }, (_, index) => {
    const name = `${PREFIX}${index}`
    const spec = { spiffeId: `spiffe://${TRUST_DOMAIN}/ns/default/sa/${name}` }
    return JSON.stringify({ apiVersion: 'outrider.mesh/v1', kind: 'Workload', metadata: { name }, spec })
  })
  const file = join(folder, 'members.yaml')
  writeFileSync(file, documents.join('\n---\n'))
  await control.command('apply', '-f', file)
  const server = { address: control.grpc, socket: control.socket, pid: control.child.pid }
  const words = { ...server, workloads: connections, prefix: PREFIX }
  await runClient('renewals.ts', { ...words, seconds: WARM_UP_S }, signal)
  return runClient('renewals.ts', { ...words, seconds }, signal)
}

async function round(contest: Contest): Promise<Values> {
  const { connections, seconds, signal, folder } = contest
  const signing = await runClient('signing.ts', { seconds }, signal)
  const data = join(folder, 'signing-control')
  const control = await startControl(data, signal, flags(connections))
  try {
    const renewing = await measureRenewals(control, contest)
    const { svids = Number.NaN, perSecond = Number.NaN, cpuUs = Number.NaN } = signing
    const { renewals = Number.NaN, errors = Number.NaN } = renewing
    if (renewals === 0) throw new Error('no SVID was renewed')
    const cpuUsPerRenewal = (renewing['cpuUs'] ?? Number.NaN) / renewals
    return {
      svidsPerSecond: perSecond,
      cpuUsPerSvid: cpuUs / svids,
      svidsPerCpuSecond: (svids / cpuUs) * 1e6,
      renewalsPerSecond: renewing['perSecond'] ?? Number.NaN,
      cpuUsPerRenewal,
      renewalsPerCpuSecond: 1e6 / cpuUsPerRenewal,
      svids: svids + renewals,
      errors,
    }
  } finally {
    await control.child.stop()
    rmSync(data, { recursive: true, force: true })
  }
}

export const sign: Scenario = {
  name: 'sign',
  question: 'What does an SVID cost: reading the request and signing, and with all of the control server around it?',
  subjects: [outrider],
  app: smallApp,
  available: () => undefined,
  load: () =>
    'bench/clients/signing.ts in its own process; bench/clients/renewals.ts, which renews over gRPC, each SVID its own connection',
  connections: 32,
  rounds: 3,
  figures: [
    { key: 'svidsPerSecond', head: 'SVIDs/s', digits: 0, over: 'median' },
    { key: 'cpuUsPerSvid', head: 'CPU, us', digits: 1, over: 'median' },
    perCpuSecond,
    { key: 'renewalsPerSecond', head: 'renewals/s', digits: 0, over: 'median' },
    { key: 'cpuUsPerRenewal', head: 'CPU a renewal, us', digits: 0, over: 'median' },
    { key: 'renewalsPerCpuSecond', head: 'renewals per CPU s', digits: 0, over: 'median' },
    { key: 'svids', head: 'SVIDs', digits: 0, over: 'sum' },
    errors,
  ],
  compared: perCpuSecond,
  bars: [{ figure: perCpuSecond, relation: '>=', limit: 5000, peers: [] }],
  round,
}
