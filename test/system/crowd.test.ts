import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createSecureContext } from 'node:tls'
import grpc from '@grpc/grpc-js'
import t from 'tap'
import { buildCsr } from '../../src/identity/csr.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { Backoff } from '../../src/lib/backoff.ts'
import { protocols } from '../../src/rpc/load.ts'
import { claimsOf, clusterKey, ISSUER, tokenOf } from '../fixtures/kubernetes.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { idOf, resource, startMesh } from '../fixtures/mesh.ts'
import { temporaryFolder } from '../fixtures/process.ts'

checkLeaks(t)

const SIDECARS = 1000
/** Of the control server. That of the clients, which are one process here and many in a mesh, comes on top. */
const MAX_CPU_MS = 10_000
const DEADLINE_MS = 30_000
/** As a sidecar has it. */
const RETRY = { initialMs: 200, maxMs: 10_000, jitter: 0.3 }

/** Time on a core of a process, all its threads together (proc(5), fields 14 and 15), in milliseconds. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

t.test(`${SIDECARS} sidecars ask for their first certificate at once`, async (t) => {
  const jwks = join(temporaryFolder(t), 'jwks.json')
  const key = clusterKey('ES256', 'one')
  writeFileSync(jwks, JSON.stringify({ keys: [key.jwk] }))
  // All of them come from one address here.
  const flags = `--kubernetes jwks --kubernetes-jwks ${jwks} --kubernetes-issuer ${ISSUER}`
  const mesh = await startMesh(t, `${flags} --attest-per-second 1000 --attest-burst 1000`.split(' '))
  await mesh.apply(resource('Workload', 'web', { spiffeId: idOf('web'), selectors: ['k8s:ns:shop', 'k8s:sa:web'] }))
  const kubernetes = (index: number): string => {
    const pod = { name: `web-${index}`, uid: `0f9a3b1c-1111-4222-8333-${String(index).padStart(12, '0')}` }
    const bound = { namespace: 'shop', serviceaccount: { name: 'web' }, pod }
    return tokenOf(key, claimsOf('shop', 'web', Date.now(), { 'kubernetes.io': bound }))
  }
  const refusals: Record<string, number> = {}
  const { IdentityService } = protocols().identity
  // One for all: what is measured is the server, and whoever answers here is it.
  const context = createSecureContext({ minVersion: 'TLSv1.3' })
  const trusting = { rejectUnauthorized: false, checkServerIdentity: () => undefined }
  const credentials = grpc.ChannelCredentials.createFromSecureContext(context, trusting)
  const one = async (request: { csr: Buffer; kubernetesToken: string }): Promise<number> => {
    const client = new IdentityService(mesh.control.grpc, credentials, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.ssl_target_name_override': 'control.outrider',
    })
    const backoff = new Backoff(RETRY, Math.random)
    try {
      for (;;) {
        const error = await new Promise<grpc.ServiceError | null>((resolve) => {
          client.attest(request, { deadline: Date.now() + DEADLINE_MS }, resolve)
        })
        if (error === null) return performance.now()
        refusals[error.details] = (refusals[error.details] ?? 0) + 1
        await pause(backoff.next())
      }
    } finally {
      client.close()
    }
  }
  const asked = Array.from({ length: SIDECARS }, (_, index) => ({
    kubernetesToken: kubernetes(index),
    csr: buildCsr(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, parseSpiffeId(idOf('web'))),
  }))
  const busy = cpuMs(mesh.control.pid)
  const started = performance.now()
  const times = (await Promise.all(asked.map(one))).map((at) => at - started).toSorted((a, b) => a - b)
  const spent = cpuMs(mesh.control.pid) - busy
  t.comment(
    `all have it after ${Math.round(times.at(-1)!)} ms; ${spent} ms of the control server's core; tried again: ${JSON.stringify(refusals)}`,
  )
  t.ok(spent < MAX_CPU_MS, `${spent} ms`)
})
