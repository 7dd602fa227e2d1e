import { unreachable } from '../lib/unreachable.ts'
import type { CapturePlan } from './plan.ts'
import { type Match, type Rule, rulesOf, type Verdict } from './rules.ts'

/** All that is ours is in this table, and nothing else is in it. */
export const NFT_TABLE = 'inet outrider'

/** Before the chains of others at the same hook, which have -100 and -150. */
const types = {
  redirect: { inbound: 'type nat hook prerouting priority -105', outbound: 'type nat hook output priority -105' },
  tproxy: { inbound: 'type filter hook prerouting priority -155', outbound: 'type route hook output priority -155' },
} as const

/** The input of `nft -f -` that puts our table in place of whatever it is now: one transaction. */
export function nftText(plan: CapturePlan): string {
  const chainText = (direction: 'inbound' | 'outbound'): string => {
    const lines = [
      `${types[plan.mode][direction]}; policy accept;`,
      'meta l4proto != tcp return',
      ...rulesFor(plan, direction),
    ]
    return `\tchain ${direction} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}\n`
  }
  return `${nftRemoval}table ${NFT_TABLE} {\n${chainText('inbound')}\n${chainText('outbound')}}\n`
}

/** The input that takes it away; the first line, so that the second one does not fail where it is not there. */
export const nftRemoval: string = `add table ${NFT_TABLE}\ndelete table ${NFT_TABLE}\n`

/** Rules that are alike in both families are written once; the others name an address, and by that their family. */
function rulesFor(plan: CapturePlan, direction: 'inbound' | 'outbound'): readonly string[] {
  const [first = [], second = []] = plan.families.map((family) => rulesOf(plan, family)[direction].map(ruleTexts))
  if (plan.families.length === 1) return [`meta nfproto != ${plan.families[0]} return`, ...first.flat()]
  const merged: string[] = []
  let [i, j] = [0, 0]
  while (i < first.length || j < second.length) {
    const [left = [], right = []] = [first[i], second[j]]
    if (left.join('\n') === right.join('\n')) {
      merged.push(...left)
      i += 1
      j += 1
    } else if (left.some(namesAddress)) {
      merged.push(...left)
      i += 1
    } else {
      merged.push(...right)
      j += 1
    }
  }
  return merged
}

function namesAddress(line: string): boolean {
  return /\bip6? daddr\b/.test(line)
}

function ruleTexts({ matches, verdict }: Rule): readonly string[] {
  const conditions = matches.map(matchText)
  const line = [...conditions, ...verdictText(verdict)].join(' ')
  // Without a socket there the kernel would go on with the next rule, and the packet pass.
  return verdict.kind === 'tproxy' ? [line, [...conditions, 'drop'].join(' ')] : [line]
}

function matchText(match: Match): string {
  switch (match.kind) {
    case 'to':
      return `${protocolOf(match.block.family)} daddr ${match.block.text}`
    case 'not-to':
      return `${protocolOf(match.block.family)} daddr != ${match.block.text}`
    case 'in-interface':
      return `iifname "${match.name}"`
    case 'out-interface':
      return `oifname "${match.name}"`
    case 'port':
      return `tcp dport ${match.port}`
    case 'uid':
      return `meta skuid ${match.uid}`
    case 'gid':
      return `meta skgid ${match.gid}`
    case 'answer':
      return 'ct direction reply'
    case 'not-for-us':
      return 'fib daddr type != local'
    case 'mark':
      return `meta mark ${match.mark}`
    default:
      return unreachable(match)
  }
}

function verdictText(verdict: Verdict): readonly string[] {
  switch (verdict.kind) {
    case 'pass':
      return ['return']
    case 'redirect':
      return ['meta l4proto tcp', `redirect to :${verdict.port}`]
    case 'tproxy':
      return ['meta l4proto tcp', `tproxy to :${verdict.port}`, 'accept']
    case 'mark':
      return [`meta mark set ${verdict.mark}`]
    default:
      return unreachable(verdict)
  }
}

function protocolOf(family: 4 | 6): string {
  return family === 4 ? 'ip' : 'ip6'
}
