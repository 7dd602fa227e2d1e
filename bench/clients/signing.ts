// Reads certification requests and signs SVIDs for a time, one after the other, as the control server does between two messages.
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CertificateAuthority } from '../../src/control/ca/certificate-authority.ts'
import { buildCsr, parseCsr } from '../../src/identity/csr.ts'
import { parseTrustDomain, spiffeIdOf } from '../../src/identity/spiffe-id.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { readWords } from './words.ts'

const REQUESTS = 256
const WARM_UP = 2000
const DAY_MS = 86_400_000
/** The clock is looked at once for so many. */
const BATCH = 50

const word = readWords(process.argv.slice(2))
const seconds = Number(word('seconds'))
const trustDomain = parseTrustDomain('bench.local')
const folder = mkdtempSync(join(tmpdir(), 'outrider-signing-'))
try {
  const authority = CertificateAuthority.open(folder, trustDomain, systemClock)
  const requests = Array.from({ length: REQUESTS }, (_, index) => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return buildCsr(privateKey, spiffeIdOf(trustDomain, `/ns/default/sa/workload-${index}`))
  })
  const sign = (count: number): void => {
    for (let index = 0; index < count; index += 1)
      authority.issue(parseCsr(requests[index % REQUESTS]!), DAY_MS, systemClock.now())
  }
  sign(WARM_UP)
  const start = performance.now()
  const before = process.cpuUsage()
  let svids = 0
  for (; performance.now() - start < seconds * 1000; svids += BATCH) sign(BATCH)
  const { user, system } = process.cpuUsage(before)
  const perSecond = svids / ((performance.now() - start) / 1000)
  console.log(JSON.stringify({ svids, perSecond, cpuUs: user + system }))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
