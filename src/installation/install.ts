import type { ApiClient } from '../kubernetes/client.ts'
import { ApiError } from '../kubernetes/failure.ts'
import { type ClusterObject, isRecord } from '../kubernetes/objects.ts'
import type { Clock } from '../lib/clock.ts'
import { OutriderError } from '../lib/errors.ts'
import { nameOf } from './object-types.ts'
import { FIELD_MANAGER, planInstall, type Step } from './plan.ts'
import { type Waiting, waitAvailable, waitEstablished, waitUntil } from './wait.ts'

export interface InstallOptions {
  readonly client: ApiClient
  readonly clock: Clock
  readonly signal: AbortSignal
  /** For the Deployments to be available; 0: that is not waited for. */
  readonly timeoutMs: number
  /** Takes fields from other managers. */
  readonly force: boolean
  /** Asks the API server what it would do, and changes nothing. */
  readonly dryRun: boolean
  /** Told each object when it was made or changed, and what is waited for. */
  readonly progress: (line: string) => void
}

/** What comes after the definitions cannot be made before them: they get so long at least. */
const DEFINITIONS_MS = 30_000
/** Native sidecars are on by default from here on. */
const OLDEST = [1, 29] as const

/**
 * Applies the objects in their order and waits until all Deployments are available. Doing it again changes nothing, and goes on where it was
 * interrupted. Throws `install-cluster-too-old`, `install-conflict`, `install-timeout` and what the API server says.
 */
export async function install(objects: readonly ClusterObject[], options: InstallOptions): Promise<readonly Step[]> {
  const { client, clock, signal, timeoutMs, force, dryRun, progress } = options
  await checkVersion(client)
  const steps = await planInstall(client, objects, force)
  if (dryRun) return steps
  const started = clock.monotonic()
  const defining: Waiting = { client, clock, signal, endMs: started + Math.max(timeoutMs, DEFINITIONS_MS) }
  const first = steps.findLastIndex(isDefinition) + 1
  await applyAll(steps.slice(0, first), defining, force)
  for (const { object } of steps.filter(isDefinition)) await waitEstablished(defining, object)
  await applyAll(steps.slice(first), defining, force)
  const deployments = steps.filter(({ object }) => object.kind === 'Deployment')
  for (const { object } of timeoutMs === 0 ? [] : deployments) {
    progress(`waiting for Deployment ${object.metadata.name}`)
    await waitAvailable({ ...defining, endMs: started + timeoutMs }, object)
  }
  return steps.map((step) => (step.outcome === 'unchecked' ? { ...step, outcome: 'created' } : step))
}

function isDefinition({ object }: Step): boolean {
  return object.kind === 'CustomResourceDefinition'
}

async function applyAll(steps: readonly Step[], waiting: Waiting, force: boolean): Promise<void> {
  for (const { object, type, outcome } of steps) {
    waiting.signal.throwIfAborted()
    const apply = async (): Promise<void> =>
      void (await waiting.client.apply(type, object, { fieldManager: FIELD_MANAGER, force }))
    if (outcome === 'unchecked') await waitUntil(waiting, () => unlessUnknown(object, apply))
    else if (outcome !== 'unchanged') await apply()
  }
}

/** Of several API servers one may learn of a definition later than the one that has established it. */
async function unlessUnknown(object: ClusterObject, apply: () => Promise<void>): Promise<string | undefined> {
  try {
    await apply()
    return undefined
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return `${nameOf(object)}: ${error.message}`
    throw error
  }
}

/** Major, minor and whole text of the version of the API server. */
export async function serverVersion(client: ApiClient): Promise<readonly [major: number, minor: number, text: string]> {
  const version = await client.raw({ path: '/version' })
  const { major, minor, gitVersion } = isRecord(version) ? version : {}
  // Some providers write `34+`.
  const [first, second] = [major, minor].map((part) => Number.parseInt(typeof part === 'string' ? part : '', 10))
  if (first === undefined || second === undefined || Number.isNaN(first) || Number.isNaN(second))
    throw new OutriderError('install-cluster-version', 'the API server does not tell its version', {
      source: 'dependency',
    })
  return [first, second, typeof gitVersion === 'string' ? gitVersion.slice(0, 64) : `${first}.${second}`]
}

export function isTooOld(major: number, minor: number): boolean {
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])
}

async function checkVersion(client: ApiClient): Promise<void> {
  const [major, minor, text] = await serverVersion(client)
  if (!isTooOld(major, minor)) return
  throw new OutriderError(
    'install-cluster-too-old',
    `the API server is ${text}; native sidecars need Kubernetes ${OLDEST.join('.')} or later`,
    { source: 'dependency' },
  )
}
