/** The one of `known` that `word` was probably meant to be: at most a third of its letters differ. */
export function nearestSpelling(word: string, known: readonly string[]): string | undefined {
  if (word.length > 64) return undefined
  const candidates = known
    .map((candidate) => ({ candidate, distance: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, candidate.length / 3))
    .toSorted((a, b) => a.distance - b.distance)
  return candidates[0]?.candidate
}

/** Levenshtein distance, row by row. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1]
    for (let j = 1; j <= b.length; j += 1)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row.at(-1)!
}
