import type { CommandContext } from './command.ts'
import { formatTime, printable } from './output.ts'
import { policyPage, readyText } from './sidecar-page.ts'

/** Says for a person what the sidecar at `admin` enforces, where that is from, and until when it does. Throws `sidecar-unreachable`. */
export async function showSidecar(
  admin: string,
  context: Pick<CommandContext, 'signal' | 'stdout' | 'clock'>,
): Promise<void> {
  const [ready, page] = [await readyText(admin, context), await policyPage(admin, context)]
  const { revision, source, connected, ageSeconds, until, expired, closed, resources } = page
  const age = ageSeconds === null ? '' : `, age ${preciseSpan(ageSeconds)}`
  const end = until === null ? '' : `, ${expired ? 'over since' : 'until'} ${formatTime(Date.parse(until))}`
  const lines = [
    `state: ${ready.trim()}`,
    `control server: ${connected ? 'connected' : 'away'}`,
    `source: ${source}${age}${end}`,
    `revision: ${revision}`,
    `resources: ${resources.length}`,
    ...(closed === null ? [] : [`closed: ${closed.code}, ${closed.detail}`]),
  ]
  context.stdout.write(`${lines.map(printable).join('\n')}\n`)
}

/** The two largest units: `2h13m`. */
function preciseSpan(seconds: number): string {
  const units = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'm'],
    [1, 's'],
  ] as const
  const first = units.findIndex(([length]) => seconds >= length)
  if (first < 0) return '0s'
  const [length, unit] = units[first]!
  const next = units[first + 1]
  const rest = next === undefined ? 0 : Math.floor((seconds % length) / next[0])
  return `${Math.floor(seconds / length)}${unit}${rest === 0 ? '' : `${rest}${next?.[1]}`}`
}
