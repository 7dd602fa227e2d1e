import { unreachable } from '../lib/unreachable.ts'
import type { CapturePlan, Family } from './plan.ts'
import { type Match, type Rule, rulesOf, type Verdict } from './rules.ts'

/** Where our chains are, by mode. */
export const tableOf = { redirect: 'nat', tproxy: 'mangle' } as const
export const tables = ['nat', 'mangle'] as const
export type Table = (typeof tables)[number]

/** Every chain of ours begins so; nothing else is touched. */
const PREFIX = 'OUTRIDER_'
const chains = { inbound: `${PREFIX}INBOUND`, outbound: `${PREFIX}OUTBOUND` } as const
const hooks = { inbound: 'PREROUTING', outbound: 'OUTPUT' } as const
/** Empty, and there as long as we are when the table was not there before: it goes with us then. */
const NEW_TABLE = `${PREFIX}NEW_TABLE`

const builtInChains: ReadonlySet<string> = new Set(['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'])

/** One table as `iptables-save` prints it, without counters. */
export interface SavedTable {
  /** User-defined and built-in. */
  readonly chains: readonly string[]
  /** `-A CHAIN ...` */
  readonly rules: readonly string[]
}

/** Reads what `iptables-save` or `ip6tables-save` printed. Counters and comments are left out. */
export function parseSave(text: string): ReadonlyMap<string, SavedTable> {
  const saved = new Map<string, { chains: string[]; rules: string[] }>()
  let table: { chains: string[]; rules: string[] } | undefined
  for (const line of text.split('\n')) {
    const [, name] = /^\*(\S+)$/.exec(line) ?? []
    const [, chain] = /^:(\S+) /.exec(line) ?? []
    if (name !== undefined) {
      table = { chains: [], rules: [] }
      saved.set(name, table)
    } else if (chain !== undefined) table?.chains.push(chain)
    else if (line === 'COMMIT') table = undefined
    else {
      const rule = line.replace(/^\[\d+:\d+\] /, '')
      if (rule.startsWith('-A ')) table?.rules.push(rule.trimEnd())
    }
  }
  return saved
}

/** What of a saved table is ours: our chains, what is in them, and what leads to them. */
export function ownPart(table: SavedTable | undefined): SavedTable {
  return {
    chains: (table?.chains ?? []).filter(isOwn),
    rules: (table?.rules ?? []).filter((rule) => isOwn(rule.split(' ')[1]) || isOwn(/ -[jg] (\S+)/.exec(rule)?.[1])),
  }
}

function isOwn(chain: string | undefined): boolean {
  return chain?.startsWith(PREFIX) === true
}

/** What our part of each table will be, in the words of `iptables-save`, so that both can be compared. */
export function wantedPart(plan: CapturePlan, family: Family, table: Table): SavedTable {
  if (table !== tableOf[plan.mode]) return { chains: [], rules: [] }
  const rules = rulesOf(plan, family)
  const directions = ['inbound', 'outbound'] as const
  return {
    chains: directions.map((direction) => chains[direction]),
    rules: [
      ...directions.map((direction) => `-A ${hooks[direction]} -p tcp -j ${chains[direction]}`),
      ...directions.flatMap((direction) => rules[direction].map((rule) => ruleText(chains[direction], rule, family))),
    ],
  }
}

/** Whether what is there is what is wanted. */
export function isInForce(wanted: SavedTable, present: SavedTable): boolean {
  const built = present.chains.filter((chain) => chain !== NEW_TABLE)
  return sameEntries(wanted.chains, built) && sameEntries(wanted.rules, present.rules)
}

function sameEntries(a: readonly string[], b: readonly string[]): boolean {
  return byChain(a).join('\n') === byChain(b).join('\n')
}

/** In one chain order counts; between chains it does not. */
function byChain(list: readonly string[]): readonly string[] {
  return list.toSorted((a, b) => (chainOf(a) < chainOf(b) ? -1 : chainOf(a) > chainOf(b) ? 1 : 0))
}

function chainOf(entry: string): string {
  return entry.startsWith('-A ') ? (entry.split(' ')[1] ?? '') : entry
}

/**
 * The input of `iptables-restore --noflush` that brings our part from what is in `saved` to `wanted`: one transaction for each table.
 * Empty when there is nothing to do.
 */
export function restoreText(saved: ReadonlyMap<string, SavedTable>, wanted: (table: Table) => SavedTable): string {
  return tables
    .map((name) => {
      const present = saved.get(name)
      const own = ownPart(present)
      const next = wanted(name)
      if (own.chains.length === 0 && next.chains.length === 0) return ''
      const isNew = next.chains.length > 0 && (present === undefined || own.chains.includes(NEW_TABLE))
      const kept = [...next.chains, ...(isNew ? [NEW_TABLE] : [])]
      const jumps = own.rules.filter((rule) => !chainOf(rule).startsWith(PREFIX))
      const gone = own.chains.filter((chain) => !kept.includes(chain))
      const lines = [
        `*${name}`,
        // Makes the chain, or empties it.
        ...new Set([...kept, ...own.chains].map((chain) => `:${chain} - [0:0]`)),
        ...jumps.map((rule) => rule.replace('-A ', '-D ')),
        ...gone.map((chain) => `-X ${chain}`),
        ...next.rules.filter((rule) => chainOf(rule).startsWith(PREFIX)),
        // Before what others have there.
        ...next.rules.filter((rule) => !chainOf(rule).startsWith(PREFIX)).map(insertion),
        'COMMIT',
      ]
      return `${lines.join('\n')}\n`
    })
    .join('')
}

/** Whether the table is empty and was not there before us. */
export function isLeftOver(
  saved: ReadonlyMap<string, SavedTable>,
  before: ReadonlyMap<string, SavedTable>,
  table: Table,
): boolean {
  const present = saved.get(table)
  const builtIn = present?.chains.every((chain) => builtInChains.has(chain)) ?? false
  return builtIn && present?.rules.length === 0 && ownPart(before.get(table)).chains.includes(NEW_TABLE)
}

function insertion(rule: string): string {
  return rule.replace(/^-A (\S+)/, '-I $1 1')
}

/** In the order in which `iptables-save` prints it. */
export function ruleText(chain: string, { matches, verdict }: Rule, family: Family): string {
  const parts = matches.map((match) => matchText(match)).toSorted((a, b) => a.order - b.order)
  const before = parts.filter(({ order }) => order < PROTOCOL).map(({ text }) => text)
  const after = parts.filter(({ order }) => order > PROTOCOL).map(({ text }) => text)
  return ['-A', chain, ...before, '-p tcp', ...after, verdictText(verdict, family)].join(' ')
}

const PROTOCOL = 3

function matchText(match: Match): { readonly order: number; readonly text: string } {
  switch (match.kind) {
    case 'to':
      return { order: 0, text: `-d ${match.block.text}` }
    case 'not-to':
      return { order: 0, text: `! -d ${match.block.text}` }
    case 'in-interface':
      return { order: 1, text: `-i ${match.name}` }
    case 'out-interface':
      return { order: 2, text: `-o ${match.name}` }
    case 'port':
      return { order: 4, text: `-m tcp --dport ${match.port}` }
    case 'uid':
      return { order: 5, text: `-m owner --uid-owner ${match.uid}` }
    case 'gid':
      return { order: 5, text: `-m owner --gid-owner ${match.gid}` }
    case 'answer':
      return { order: 5, text: '-m conntrack --ctdir REPLY' }
    case 'not-for-us':
      return { order: 5, text: '-m addrtype ! --dst-type LOCAL' }
    case 'mark':
      return { order: 5, text: `-m mark --mark ${hexadecimal(match.mark)}` }
    default:
      return unreachable(match)
  }
}

function verdictText(verdict: Verdict, family: Family): string {
  switch (verdict.kind) {
    case 'pass':
      return '-j RETURN'
    case 'redirect':
      return `-j REDIRECT --to-ports ${verdict.port}`
    case 'tproxy':
      // Without a socket there the packet is dropped.
      return `-j TPROXY --on-port ${verdict.port} --on-ip ${family === 'ipv4' ? '0.0.0.0' : '::'} --tproxy-mark 0x0/0x0`
    case 'mark':
      return `-j MARK --set-xmark ${hexadecimal(verdict.mark)}/0xffffffff`
    default:
      return unreachable(verdict)
  }
}

function hexadecimal(mark: number): string {
  return `0x${mark.toString(16)}`
}
