import { hostname } from 'node:os'
import type { ControlConfig } from '../config/control.ts'
import type { TrustDomain } from '../identity/spiffe-id.ts'
import type { ApiClient } from '../kubernetes/client.ts'
import type { Clock } from '../lib/clock.ts'
import { OutriderError } from '../lib/errors.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../telemetry/log.ts'
import type { ControlMetrics } from './metrics.ts'
import { CertificateAuthority } from './ca/certificate-authority.ts'
import { hasAuthority } from './ca/folder-storage.ts'
import { readHandedIn } from './ca/handed-in.ts'
import { type CaHome, folderHome } from './ca/home.ts'
import { CaSecret } from './kubernetes/ca-secret.ts'

export interface CaParts {
  readonly dataDir: string
  readonly trustDomain: TrustDomain
  /** The store has been of a mesh before: a CA that is not there was lost, and is not to be made anew. */
  readonly meshKnown: boolean
  /** The API server whose Secret the CA is in; undefined: it is in the data folder. */
  readonly api: ApiClient | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** Opens the CA where it is kept. A new root would strand every sidecar that trusts the old one. Throws as `CertificateAuthority.open` and `CaSecret.open`. */
export async function openCa(config: ControlConfig, parts: CaParts): Promise<CaHome> {
  const {
    caCertificatesFile,
    caKeyFile,
    kubernetesNamespace: namespace,
    kubernetesServerName,
    caSecretFolder: mounted,
  } = config
  const { dataDir, trustDomain, meshKnown, api, clock } = parts
  const readGiven = (): ReturnType<typeof readHandedIn> | undefined =>
    caCertificatesFile === undefined || caKeyFile === undefined
      ? undefined
      : readHandedIn(caCertificatesFile, caKeyFile)
  if (api !== undefined)
    return CaSecret.open({
      ...parts,
      client: api,
      namespace,
      given: readGiven(),
      mounted,
      serverName: kubernetesServerName ?? hostname(),
    })
  if (meshKnown && !hasAuthority(dataDir))
    throw new OutriderError('ca-file-missing', 'the store is of a mesh whose CA is gone: restore the folder "ca"', {
      place: dataDir,
    })
  return folderHome(CertificateAuthority.open(dataDir, trustDomain, clock, readGiven()))
}

/** Shows in the metrics which trust bundle is in force, and whether it is the one that is kept. Returns the way out. */
export function countCa({ authority, fault }: CaHome, metrics: ControlMetrics): () => void {
  const show = (): void => {
    metrics.trustBundleSequence.set(authority.bundle.current.sequence)
    metrics.caFault.set(fault.current === undefined ? 0 : 1)
  }
  show()
  const ends = [authority.bundle.subscribe(show), fault.subscribe(show)]
  return () => {
    for (const end of ends) end()
  }
}
