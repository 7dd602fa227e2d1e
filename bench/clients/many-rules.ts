// Applies 10 000 rules for one workload that has a sidecar, then changes one of them again and again; prints for how long the
// control server could do nothing else meanwhile (bench/clients/loop-delay.ts is loaded into it).
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { connectAdmin } from '../../src/rpc/client.ts'
import { TRUST_DOMAIN } from '../certificates.ts'
import { PolicySeat, attestSeats } from './policy-seats.ts'
import { readWords } from './words.ts'

const word = readWords(process.argv.slice(2))
const pid = Number(word('pid'))
const file = word('delays')
const changes = Number(word('changes'))
const POLICIES = 20
const RULES_EACH = 500

function policy(index: number, change: string): string {
  const rules = Array.from({ length: RULES_EACH }, (_, rule) => ({
    name: `rule-${rule}`,
    from: [{ spiffeIds: [`spiffe://${TRUST_DOMAIN}/ns/default/sa/caller-${rule}`] }],
    to: [
      { methods: ['GET'], paths: [rule === 7 ? `/api/${index}/changed${change}/{**}` : `/api/${index}/${rule}/{**}`] },
    ],
  }))
  const spec = { workloads: ['many'], action: 'ALLOW', rules }
  return JSON.stringify({
    apiVersion: 'outrider.mesh/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: `many-${index}` },
    spec,
  })
}

const admin = connectAdmin(word('socket'))
const spec = { spiffeId: `spiffe://${TRUST_DOMAIN}/ns/default/sa/many` }
const workload = JSON.stringify({ apiVersion: 'outrider.mesh/v1', kind: 'Workload', metadata: { name: 'many' }, spec })
await admin.apply({ documents: [workload, ...Array.from({ length: POLICIES }, (_, index) => policy(index, ''))] })
const [seat] = await attestSeats(word('address'), admin, ['many'])
if (seat === undefined) throw new Error('no sidecar')
let note: () => void = () => {}
seat.connect({
  onUpdate: () => note(),
  onLost: (reason) => {
    throw new Error(reason)
  },
})
const updated = (): Promise<void> =>
  new Promise((resolve) => {
    note = resolve
  })
await updated()

async function delayMs(during: () => Promise<void>): Promise<number> {
  process.kill(pid, 'SIGUSR2')
  await during()
  process.kill(pid, 'SIGUSR2')
  while (!existsSync(file)) await pause(10)
  const measured = Number(readFileSync(file, 'utf8'))
  rmSync(file)
  return measured
}

const delays: number[] = []
for (let round = 0; round < changes; round += 1) {
  // Without the work that the change before has left behind.
  await pause(200)
  delays.push(
    await delayMs(async () => {
      const update = updated()
      await admin.apply({ documents: [policy(round % POLICIES, `-${round}`)] })
      await update
    }),
  )
}
PolicySeat.closeAll([seat])
admin.close()
const sorted = delays.toSorted((a, b) => a - b)
console.log(JSON.stringify({ blockedMs: sorted[sorted.length >> 1], blockedMaxMs: sorted.at(-1) }))
