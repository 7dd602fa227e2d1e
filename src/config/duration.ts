const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Milliseconds of `250ms`, `10s`, `5m`, `24h`, `90d`, of a sequence such as `4m30s`, or of a plain whole number (then
 * milliseconds). `undefined` when the text is none of these.
 */
export function parseDuration(text: string): number | undefined {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  if (!/^(?:\d{1,9}(?:ms|s|m|h|d))+$/.test(text)) return undefined
  let total = 0
  for (const [, amount = '', unit = ''] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) total += Number(amount) * unitMs[unit]!
  return total
}

/** The shortest text that `parseDuration` reads back: 270000 is `4m30s`. */
export function formatDuration(ms: number): string {
  let rest = ms
  let text = ''
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    // 24 h reads better than 1 d where the lifetimes of certificates are meant; days begin at two.
    if (unit === 'd' && rest < 2 * unitMs['d']!) continue
    const amount = Math.floor(rest / unitMs[unit]!)
    if (amount > 0) text += `${amount}${unit}`
    rest -= amount * unitMs[unit]!
  }
  return text === '' ? '0' : text
}
