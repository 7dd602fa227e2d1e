/** One thing that was looked at. What is not ok says in `detail` what to do. */
export interface Finding {
  readonly check: string
  readonly result: 'ok' | 'warning' | 'failed'
  readonly detail: string
}

/** Names in one line. */
const MAX_NAMED = 3

/** The first few names, and how many more there are. */
export function named(names: readonly string[], count: number = names.length): string {
  const shown = names.slice(0, MAX_NAMED).join(', ')
  return count > MAX_NAMED ? `${shown} and ${count - MAX_NAMED} more` : shown
}

/** A finding about what should be empty: the names of those that are wrong, and what to do. */
export function unlessEmpty(
  check: string,
  wrong: readonly string[],
  ok: string,
  bad: { readonly result?: 'warning' | 'failed'; readonly is: string; readonly todo: string },
): Finding {
  if (wrong.length === 0) return { check, result: 'ok', detail: ok }
  return { check, result: bad.result ?? 'failed', detail: `${named(wrong)} ${bad.is}; ${bad.todo}` }
}
