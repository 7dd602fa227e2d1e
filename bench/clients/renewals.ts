// Joins a mesh as so many workloads, then renews their SVIDs for a time, each its own, the next after the answer.
import { generateKeyPairSync } from 'node:crypto'
import { buildCsr } from '../../src/identity/csr.ts'
import type { TrustBundleSet } from '../../src/identity/bundle.ts'
import { controlIdOf, trustDomainOf } from '../../src/identity/spiffe-id.ts'
import { loadSvid, type Svid } from '../../src/identity/svid.ts'
import { parseAddress } from '../../src/lib/address.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { WatchCell } from '../../src/lib/watch.ts'
import { learnTrustBundle } from '../../src/rpc/bootstrap.ts'
import { bundlesOf } from '../../src/rpc/bundles.ts'
import { connectAdmin, connectControl } from '../../src/rpc/client.ts'
import { parseJoinToken } from '../../src/rpc/token.ts'
import { cpuMicroseconds } from '../measure.ts'
import { readWords } from './words.ts'

const word = readWords(process.argv.slice(2))
const address = parseAddress(word('address'))!
const seconds = Number(word('seconds'))
const workloads = Array.from({ length: Number(word('workloads')) }, (_, index) => `${word('prefix')}${index}`)

/** One workload that has an SVID, and how it asks for the next. */
interface Member {
  renew(): Promise<void>
  close(): void
}

async function join(token: string): Promise<Member> {
  const { spiffeId, secret, rootFingerprint } = parseJoinToken(token)
  const serverId = controlIdOf(trustDomainOf(spiffeId))
  const bundle = await learnTrustBundle({ address, rootFingerprint, serverId, clock: systemClock })
  const bundles = new WatchCell<TrustBundleSet>(new Map([[bundle.trustDomain, bundle]]))
  const svid = new WatchCell<Svid | undefined>(undefined)
  const client = connectControl({ address, bundles, svid, serverId, clock: systemClock })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  // The same each time: what it costs to make one is the client's.
  const csr = buildCsr(privateKey, spiffeId)
  const issued = await client.attest({ joinToken: secret, csr })
  svid.set(loadSvid(issued.chain, privateKey, bundlesOf(issued.bundles), systemClock.now()))
  return {
    renew: async () => void (await client.renew({ csr })),
    close: () => client.close(),
  }
}

const admin = connectAdmin(word('socket'))
const tokens = await Promise.all(workloads.map(async (workload) => (await admin.createToken({ workload })).token))
admin.close()
const members = await Promise.all(tokens.map(join))

let renewals = 0
let errors = 0
const server = [Number(word('pid'))]
const before = cpuMicroseconds(server)
const start = performance.now()
const end = start + seconds * 1000
await Promise.all(
  members.map(async (member) => {
    while (performance.now() < end) {
      try {
        await member.renew()
        renewals += 1
      } catch {
        errors += 1
      }
    }
  }),
)
const perSecond = renewals / ((performance.now() - start) / 1000)
const cpuUs = cpuMicroseconds(server) - before
for (const member of members) member.close()
console.log(JSON.stringify({ renewals, perSecond, cpuUs, errors }))
