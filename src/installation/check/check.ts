import { ApiError } from '../../kubernetes/failure.ts'
import type { Finding } from './finding.ts'
import type { Look } from './look.ts'
import { workloads } from './mesh.ts'
import { apiServer, clocks, definitions, installed } from './platform.ts'
import { deployments, injects, webhookTrust } from './processes.ts'
import { resources } from './resources.ts'

/** In the order in which a fault of one explains those of the next. */
const looks: Readonly<Record<string, (look: Look) => Promise<readonly Finding[]>>> = {
  'API server': apiServer,
  clock: clocks,
  definitions,
  installation: installed,
  deployments,
  webhooks: webhookTrust,
  injection: injects,
  workloads,
  resources,
}

/**
 * Looks at a cluster from the API server to each pod, and changes nothing. What the account that asks may not see has failed: nobody
 * knows how it is. Rejects only when there is no API server to ask: `kubernetes-unreachable`, `kubernetes-credentials`.
 */
export async function checkCluster(look: Look): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const [check, examine] of Object.entries(looks)) {
    look.signal.throwIfAborted()
    try {
      findings.push(...(await examine(look)))
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.code === 'kubernetes-unreachable' || error.code === 'kubernetes-credentials') throw error
      findings.push({ check, result: 'failed', detail: `was not examined: ${error.message}` })
    }
  }
  return findings
}
