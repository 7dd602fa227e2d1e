import { OutriderError } from '../lib/errors.ts'

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration as it stands in a resource, in milliseconds: `500ms`, `10s`, `5m`, `24h`, `90d`, `4m30s`. */
export function parseDuration(text: string): number {
  if (!/^(?:\d{1,9}(?:ms|s|m|h|d))+$/.test(text))
    throw new OutriderError(
      'duration-malformed',
      `a duration is a number with its unit, such as 500ms, 10s, 5m, 24h or 90d, not ${JSON.stringify(text.slice(0, 100))}`,
    )
  let total = 0
  for (const [, amount = '', unit = ''] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) total += Number(amount) * unitsMs[unit]!
  return total
}
