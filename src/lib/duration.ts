const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export const durationForm: RegExp = /^(?:\d{1,9}(?:ms|s|m|h|d))+$/

/**
 * Milliseconds of `250ms`, `10s`, `5m`, `24h`, `90d`, or of a sequence such as `4m30s`. `undefined` when the text is none
 * of these: a number has to say its unit.
 */
export function parseDuration(text: string): number | undefined {
  if (!durationForm.test(text)) return undefined
  let total = 0
  for (const [, amount = '', unit = ''] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) total += Number(amount) * unitMs[unit]!
  return total
}
