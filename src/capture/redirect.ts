import type { Backend } from './backend.ts'
import { captureFailure } from './failure.ts'
import { iptablesBackend } from './iptables-backend.ts'
import { nftBackend } from './nft-backend.ts'
import type { CapturePlan } from './plan.ts'
import { applyRoutes, removeOtherRoutes, removeRoutes, routeCommands, routesInForce } from './routes.ts'
import type { Run } from './run.ts'

export const backendNames = ['auto', 'nft', 'iptables'] as const
export type BackendName = (typeof backendNames)[number]

/** capabilities(7): CAP_NET_ADMIN. */
const NET_ADMIN = 12n

export interface Machine {
  readonly run: Run
  /** `/proc/self/status` of this process. */
  readonly status: string
}

export interface Outcome {
  readonly backend: Backend['name']
  /** `unchanged`: all was there already. */
  readonly result: 'applied' | 'unchanged' | 'checked'
}

/** The rules and routes, for reading. */
export async function printRules(plan: CapturePlan, name: BackendName, run: Run): Promise<string> {
  const backend = await chosen(name, run)
  const routes = routeCommands(plan).map((args) => `ip ${args.join(' ')}\n`)
  const heading = backend.name === 'nft' ? '# nft -f -\n' : ''
  return `${heading}${backend.text(plan)}${routes.length === 0 ? '' : `\n# routes\n${routes.join('')}`}`
}

/**
 * Makes the rules of `plan`, all or none, and looks that they are there. With `dryRun` it only looks whether they could be made.
 * Throws a `capture-...` error that says what is missing, and has changed nothing then.
 */
export async function applyRules(
  plan: CapturePlan,
  name: BackendName,
  { run, status }: Machine,
  dryRun: boolean,
): Promise<Outcome> {
  requirePrivilege(status)
  const backend = await chosen(name, run)
  for (const other of [nftBackend(run), iptablesBackend(run)]) {
    if (other.name === backend.name || !(await other.present())) continue
    throw captureFailure(
      'capture-other-rules',
      `rules of ours are there that ${other.name} made: take them away first, with "outrider redirect remove"`,
    )
  }
  if (dryRun) {
    await backend.check(plan)
    return { backend: backend.name, result: 'checked' }
  }
  if ((await backend.inForce(plan)) && (await routesInForce(plan, run))) {
    return { backend: backend.name, result: 'unchanged' }
  }
  // Routes first: marked packets without a route would go out as they are.
  const withoutRoutes = await applyRoutes(plan, run)
  try {
    const withoutRules = await backend.apply(plan)
    await removeOtherRoutes(plan, run)
    if (!(await backend.inForce(plan))) {
      await withoutRules()
      throw captureFailure('capture-not-in-force', `${backend.name} reported success, and the rules are not there`)
    }
  } catch (error) {
    await withoutRoutes()
    throw error
  }
  return { backend: backend.name, result: 'applied' }
}

/** Takes away what is ours, whichever way it was made; whether there was anything. */
export async function removeRules({ run, status }: Machine): Promise<boolean> {
  requirePrivilege(status)
  const backends = [nftBackend(run), iptablesBackend(run)]
  let removed = false
  for (const backend of backends) {
    if (await backend.present()) removed = (await backend.remove()) || removed
  }
  // Rules first, then what they rely on.
  return (await removeRoutes(run)) || removed
}

async function chosen(name: BackendName, run: Run): Promise<Backend> {
  if (name === 'nft') return nftBackend(run)
  if (name === 'iptables') return iptablesBackend(run)
  // Where both are there, whichever has rules of ours goes on with them.
  const [nft, iptables] = [await run('nft', ['--version']), await run('iptables-save', ['--version'])]
  if (nft === undefined && iptables === undefined) {
    throw captureFailure('capture-program', 'there is neither a program nft nor iptables here')
  }
  if (nft === undefined) return iptablesBackend(run)
  const mine = iptablesBackend(run)
  return iptables !== undefined && (await mine.present()) ? mine : nftBackend(run)
}

function requirePrivilege(status: string): void {
  const [, effective = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? []
  if (((BigInt(`0x${effective}`) >> NET_ADMIN) & 1n) === 1n) return
  throw captureFailure('capture-privilege', 'this process does not have CAP_NET_ADMIN, which changing rules needs')
}
