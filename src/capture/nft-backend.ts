import type { Backend } from './backend.ts'
import { captureFailure } from './failure.ts'
import { NFT_TABLE, nftRemoval, nftText } from './nft.ts'
import type { CapturePlan } from './plan.ts'
import type { Run } from './run.ts'

const ours = NFT_TABLE.split(' ')

/** nftables by its program. */
export function nftBackend(run: Run): Backend {
  const nft = async (args: readonly string[], input?: string): Promise<void> => {
    const ran = await run('nft', args, input)
    if (ran === undefined) throw captureFailure('capture-program', 'there is no program nft here', 'nft')
    const said = ran.stderr.trim().split('\n')[0] ?? ''
    if (ran.code !== 0) throw captureFailure('capture-kernel', `nft failed with status ${ran.code}: ${said}`, 'nft')
  }
  /** Our table as nft prints it, without counters, of which it has none; absent when it is not there. */
  const listed = async (): Promise<string | undefined> => {
    const ran = await run('nft', ['list', 'table', ...ours])
    if (ran === undefined) throw captureFailure('capture-program', 'there is no program nft here', 'nft')
    return ran.code === 0 ? ran.stdout : undefined
  }
  const restore = (before: string | undefined): Promise<void> => nft(['-f', '-'], nftRemoval + (before ?? ''))

  return {
    name: 'nft',
    present: async () => (await run('nft', ['list', 'table', ...ours]))?.code === 0,
    text: nftText,
    async check(plan) {
      // The kernel takes the whole transaction, and leaves it out.
      await nft(['--check', '-f', '-'], nftText(plan)).catch(async (error: unknown) => {
        throw await explained(error, plan, run)
      })
    },
    async inForce(plan) {
      const before = await listed()
      if (before === undefined) return false
      const rules = rulesIn(before)
      const wanted = rulesIn(nftText(plan))
      return rules.length === wanted.length && rules.every((rule, index) => rule === wanted[index])
    },
    async apply(plan) {
      const before = await listed()
      await nft(['-f', '-'], nftText(plan)).catch(async (error: unknown) => {
        throw await explained(error, plan, run)
      })
      return () => restore(before)
    },
    async remove() {
      if ((await listed()) === undefined) return false
      await nft(['-f', '-'], nftRemoval)
      return true
    },
  }
}

/** One line for each rule, in the words of either side: programs print numbers, names and order as they like. */
function rulesIn(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => normal(line.trim()))
    .filter((line) => line !== '' && !/^(?:add|delete|table|chain|type|[{}])/.test(line))
}

function normal(line: string): string {
  return (
    line
      // A number where there is no /etc/protocols, as in the image.
      .replace(/\bmeta l4proto (!= )?6\b/, 'meta l4proto $1tcp')
      .replace('meta l4proto tcp ', '')
      .replaceAll(/\b0x[0-9a-f]+\b/g, (number) => String(Number(number)))
      .replaceAll(/(daddr (?:!= )?)([0-9a-f.:]+)\/(?:32|128)\b/g, '$1$2')
      .replaceAll(/\btproxy (?:ip6? )?to\b/g, 'tproxy to')
      .replace('meta nfproto != ipv4', 'meta nfproto ipv6')
      .replace('meta nfproto != ipv6', 'meta nfproto ipv4')
  )
}

const features: readonly (readonly [
  what: string,
  hook: string,
  rule: string,
  modes: readonly CapturePlan['mode'][],
])[] = [
  ['chains of type nat (nft_chain_nat)', 'type nat hook output priority -105', 'accept', ['redirect']],
  [
    'the statement redirect (nft_redir)',
    'type nat hook output priority -105',
    'meta l4proto tcp redirect to :1',
    ['redirect'],
  ],
  [
    'the user of a socket (nft_meta)',
    'type filter hook output priority -155',
    'meta skuid 1 return',
    ['redirect', 'tproxy'],
  ],
  [
    'the type of a destination (nft_fib_inet)',
    'type filter hook prerouting priority -155',
    'fib daddr type local return',
    ['redirect', 'tproxy'],
  ],
  [
    'the direction of a connection (nft_ct)',
    'type filter hook prerouting priority -155',
    'ct direction reply return',
    ['tproxy'],
  ],
  ['chains of type route (nft_chain_route)', 'type route hook output priority -155', 'meta mark set 1', ['tproxy']],
  [
    'the statement tproxy (nft_tproxy)',
    'type filter hook prerouting priority -155',
    'meta l4proto tcp tproxy to :1',
    ['tproxy'],
  ],
]

/** Says which feature it is, where one alone fails as well. */
async function explained(error: unknown, plan: CapturePlan, run: Run): Promise<unknown> {
  for (const [what, hook, rule, modes] of features) {
    if (!modes.includes(plan.mode)) continue
    const text = `table inet outrider_probe {\n\tchain probe {\n\t\t${hook}; policy accept;\n\t\t${rule}\n\t}\n}\n`
    const ran = await run('nft', ['--check', '-f', '-'], text)
    if (ran?.code !== 0) return captureFailure('capture-kernel', `nft: the kernel does not have ${what}`, 'nft')
  }
  return error
}
