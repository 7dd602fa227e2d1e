/**
 * How many slips of the pen lie between two words: a letter too many, missing, wrong, or swapped with its neighbour.
 * `limit + 1` when there are more than `limit`.
 */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped =
        a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? beforePrevious[j - 2]! + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(replaced, swapped, previous[j]! + 1, row[j - 1]! + 1))
    }
    beforePrevious = previous
    previous = row
  }
  return Math.min(previous[b.length]!, limit + 1)
}

/** The known name that `name` was probably meant to be: at most `limit` edits away. Case does not count. */
export function nearest(
  name: string,
  known: Iterable<string>,
  limit: number = Math.max(1, Math.floor(name.length / 3)),
): string | undefined {
  // The text may be an attacker's or a whole file: names are short.
  if (name.length > 100) return undefined
  let best: string | undefined
  let bestDistance = limit
  for (const candidate of known) {
    const found = distance(name.toLowerCase(), candidate.toLowerCase(), bestDistance)
    if (found > bestDistance || (found === bestDistance && best !== undefined)) continue
    best = candidate
    bestDistance = found
  }
  return best
}

/** ` (did you mean "x"?)`, or nothing. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const meant = nearest(name, known)
  return meant === undefined ? '' : ` (did you mean "${meant}"?)`
}
