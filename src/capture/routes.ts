import { captureFailure } from './failure.ts'
import type { CapturePlan, Family } from './plan.ts'
import { captureRoute } from './rules.ts'
import type { Run } from './run.ts'

const flags = { ipv4: '-4', ipv6: '-6' } as const
const both = ['ipv4', 'ipv6'] as const
const { mark, table, preference } = captureRoute
const rule = ['fwmark', `0x${mark.toString(16)}`, 'lookup', String(table), 'pref', String(preference)]
const route = ['local', 'default', 'dev', 'lo', 'table', String(table)]

/** The commands that lead marked packets to loopback; none with `redirect`. */
export function routeCommands({ mode, families }: CapturePlan): readonly (readonly string[])[] {
  if (mode === 'redirect') return []
  return families.flatMap((family) => [
    [flags[family], 'route', 'replace', ...route],
    [flags[family], 'rule', 'add', ...rule],
  ])
}

/** Makes the routes that are not there; gives what takes those away again. Throws a `capture-...` error, and has changed nothing. */
export async function applyRoutes(plan: CapturePlan, run: Run): Promise<() => Promise<void>> {
  const made: Family[] = []
  const undo = async (): Promise<void> => {
    for (const family of made) await removeFamily(family, run)
  }
  if (plan.mode === 'redirect') return undo
  try {
    for (const family of plan.families) {
      if (await hasRoutes(family, run)) continue
      // Noted before: half of it may be there when it fails.
      made.push(family)
      await ip([flags[family], 'route', 'replace', ...route], run)
      if (!(await hasRule(family, run))) await ip([flags[family], 'rule', 'add', ...rule], run)
    }
  } catch (error) {
    await undo()
    throw error
  }
  return undo
}

/** Whether the routes of `plan` are there; true with `redirect`, which has none, when none are. */
export async function routesInForce(plan: CapturePlan, run: Run): Promise<boolean> {
  for (const family of both) {
    const wanted = plan.mode === 'tproxy' && plan.families.includes(family)
    if ((await hasRoutes(family, run)) !== wanted) return false
  }
  return true
}

/** Takes away those that another plan had, and this one does not. */
export async function removeOtherRoutes({ mode, families }: CapturePlan, run: Run): Promise<void> {
  for (const family of both) {
    if (mode === 'redirect' || !families.includes(family)) await removeFamily(family, run)
  }
}

/** Takes away what is ours; whether there was any. */
export async function removeRoutes(run: Run): Promise<boolean> {
  let removed = false
  for (const family of both) removed = (await removeFamily(family, run)) || removed
  return removed
}

async function removeFamily(family: Family, run: Run): Promise<boolean> {
  let removed = false
  // Twice the same rule can only be somebody's doing by hand: bounded all the same.
  for (let left = 8; left > 0 && (await hasRule(family, run)); left -= 1) {
    await ip([flags[family], 'rule', 'del', ...rule], run)
    removed = true
  }
  if (await hasRoute(family, run)) {
    await ip([flags[family], 'route', 'del', ...route], run)
    removed = true
  }
  return removed
}

async function hasRoutes(family: Family, run: Run): Promise<boolean> {
  return (await hasRule(family, run)) && (await hasRoute(family, run))
}

async function hasRule(family: Family, run: Run): Promise<boolean> {
  const ran = await run('ip', [flags[family], 'rule', 'show', 'pref', String(preference)])
  return ran?.code === 0 && ran.stdout.includes(`fwmark 0x${mark.toString(16)} `)
}

async function hasRoute(family: Family, run: Run): Promise<boolean> {
  const ran = await run('ip', [flags[family], 'route', 'show', 'table', String(table), 'type', 'local'])
  return ran?.code === 0 && ran.stdout.includes('dev lo')
}

async function ip(args: readonly string[], run: Run): Promise<void> {
  const ran = await run('ip', args)
  if (ran === undefined)
    throw captureFailure('capture-program', 'there is no program ip here, which tproxy needs', 'ip')
  if (ran.code === 0) return
  const said = ran.stderr.trim().split('\n')[0] ?? ''
  throw captureFailure('capture-kernel', `ip ${args.join(' ')} failed: ${said}`, 'ip')
}
