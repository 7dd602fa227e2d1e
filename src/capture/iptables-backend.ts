import { OutriderError } from '../lib/errors.ts'
import type { Backend } from './backend.ts'
import { captureFailure } from './failure.ts'
import {
  isInForce,
  isLeftOver,
  ownPart,
  parseSave,
  restoreText,
  type SavedTable,
  type Table,
  tableOf,
  tables,
  wantedPart,
} from './iptables.ts'
import type { CapturePlan, Family } from './plan.ts'
import type { Run } from './run.ts'

type Saved = ReadonlyMap<string, SavedTable>

const names = { ipv4: 'iptables', ipv6: 'ip6tables' } as const
const both = ['ipv4', 'ipv6'] as const
const nothing: SavedTable = { chains: [], rules: [] }
/** Others change rules too; the lock is held for milliseconds. */
const WAIT_S = '5'

/** Nothing, for a family that is not captured. */
function wantedOf(plan: CapturePlan, family: Family): (table: Table) => SavedTable {
  return (table) => (plan.families.includes(family) ? wantedPart(plan, family, table) : nothing)
}

/** iptables-save and iptables-restore, in whichever variant the machine has. */
export function iptablesBackend(run: Run): Backend {
  const save = async (family: Family): Promise<Saved> => parseSave(await output(run, `${names[family]}-save`, []))

  const restore = async (family: Family, text: string): Promise<void> => {
    if (text !== '') await output(run, `${names[family]}-restore`, ['--wait', WAIT_S, '--noflush'], text)
  }

  /** Brings one family to `wanted`, and gives back what it was. */
  const change = async (family: Family, wanted: (table: Table) => SavedTable): Promise<Saved> => {
    const before = await save(family)
    await restore(family, restoreText(before, wanted))
    return before
  }

  const undo = async (family: Family, before: Saved): Promise<void> => {
    await change(family, (table) => ownPart(before.get(table)))
    await dropLeftOvers(run, family, await save(family), before)
  }

  /** Those of the plan, and those that have a program and so may have rules of another plan. */
  const affected = async ({ families }: CapturePlan): Promise<readonly Family[]> => {
    const all: Family[] = [...families]
    for (const family of both) {
      if (!all.includes(family) && (await run(`${names[family]}-save`, []))?.code === 0) all.push(family)
    }
    return all
  }

  return {
    name: 'iptables',
    async present() {
      for (const family of both) {
        if ((await run(`${names[family]}-save`, [])) === undefined) continue
        const saved = await save(family)
        if (tables.some((table) => ownPart(saved.get(table)).chains.length > 0)) return true
      }
      return false
    },
    text: (plan) =>
      plan.families
        .map(
          (family) =>
            `# ${names[family]}-restore --noflush\n${restoreText(new Map(), (table) => wantedPart(plan, family, table))}`,
        )
        .join('\n'),
    async check(plan) {
      for (const family of plan.families) {
        const text = restoreText(await save(family), (table) => wantedPart(plan, family, table))
        if (text !== '') await output(run, `${names[family]}-restore`, ['--wait', WAIT_S, '--noflush', '--test'], text)
      }
    },
    async inForce(plan) {
      for (const family of await affected(plan)) {
        const saved = await save(family)
        const same = tables.every((table) => isInForce(wantedOf(plan, family)(table), ownPart(saved.get(table))))
        if (!same) return false
      }
      return true
    },
    async apply(plan) {
      const done: (readonly [Family, Saved])[] = []
      try {
        for (const family of await affected(plan)) {
          done.push([family, await change(family, wantedOf(plan, family))])
        }
      } catch (error) {
        for (const [family, before] of done.toReversed()) await undo(family, before)
        throw await explained(error, plan, run)
      }
      // What another mode had made for itself.
      for (const [family, before] of done) await dropLeftOvers(run, family, await save(family), before)
      return async () => {
        for (const [family, before] of done.toReversed()) await undo(family, before)
      }
    },
    async remove() {
      let removed = false
      for (const family of both) {
        if ((await run(`${names[family]}-save`, [])) === undefined) continue
        const before = await change(family, () => nothing)
        if (!tables.some((table) => ownPart(before.get(table)).chains.length > 0)) continue
        removed = true
        await dropLeftOvers(run, family, await save(family), before)
      }
      return removed
    },
  }
}

/** Takes away tables that were made for us alone. The legacy variant cannot, and shows them empty from then on. */
async function dropLeftOvers(run: Run, family: Family, now: Saved, before: Saved): Promise<void> {
  for (const table of tables) {
    if (!isLeftOver(now, before, table)) continue
    const version = await run(names[family], ['--version'])
    if (version?.stdout.includes('nf_tables') !== true) continue
    await run(names[family], ['--wait', WAIT_S, '--table', table, '--delete-chain'])
    await run('nft', ['delete', 'table', family === 'ipv4' ? 'ip' : 'ip6', table])
  }
}

async function output(run: Run, program: string, args: readonly string[], input?: string): Promise<string> {
  const ran = await run(program, args, input)
  if (ran === undefined) throw captureFailure('capture-program', `there is no program ${program} here`, program)
  if (ran.code === 0) return ran.stdout
  const said = ran.stderr.trim().split('\n')[0] ?? ''
  throw captureFailure('capture-kernel', `${program} failed with status ${ran.code}: ${said}`, program)
}

/** What the rules need of the kernel, each alone in a chain that comes and goes in one transaction. */
const features: readonly (readonly [what: string, rule: string, modes: readonly CapturePlan['mode'][]])[] = [
  ['the match owner (xt_owner)', '-m owner --uid-owner 1 -j RETURN', ['redirect', 'tproxy']],
  ['the match addrtype (xt_addrtype)', '-m addrtype ! --dst-type LOCAL -j RETURN', ['redirect', 'tproxy']],
  ['the target REDIRECT (xt_REDIRECT)', '-p tcp -j REDIRECT --to-ports 1', ['redirect']],
  ['the match conntrack (xt_conntrack)', '-m conntrack --ctdir REPLY -j RETURN', ['tproxy']],
  ['the match mark (xt_mark)', '-m mark --mark 0x1 -j RETURN', ['tproxy']],
  ['the target MARK (xt_mark)', '-j MARK --set-xmark 0x1/0xffffffff', ['tproxy']],
  ['the target TPROXY (xt_TPROXY)', '-p tcp -j TPROXY --on-port 1', ['tproxy']],
]

/** Says which feature it is, where one alone fails as well. */
async function explained(error: unknown, plan: CapturePlan, run: Run): Promise<unknown> {
  if (error instanceof OutriderError && error.code === 'capture-program') return error
  const table = tableOf[plan.mode]
  for (const family of plan.families) {
    const program = `${names[family]}-restore`
    const fails = async (rules: readonly string[]): Promise<boolean> => {
      const lines = [
        `*${table}`,
        ':OUTRIDER_PROBE - [0:0]',
        ...rules,
        '-F OUTRIDER_PROBE',
        '-X OUTRIDER_PROBE',
        'COMMIT',
      ]
      return (await run(program, ['--wait', WAIT_S, '--noflush'], `${lines.join('\n')}\n`))?.code !== 0
    }
    if (await fails([]))
      return captureFailure('capture-kernel', `${program}: the kernel has no table ${table} for ${family}`)
    for (const [what, rule, modes] of features) {
      if (!modes.includes(plan.mode) || !(await fails([`-A OUTRIDER_PROBE ${rule}`]))) continue
      return captureFailure('capture-kernel', `${program}: the kernel does not have ${what} for ${family}`)
    }
  }
  return error
}
