/** Requests that changed in the same way, with one of them as an example. */
export interface Group<Example> {
  readonly key: readonly string[]
  count: number
  readonly example: Example
}

/** Most groups that are kept apart; what comes later is counted together. */
export const MAX_GROUPS = 1000

/** Counts by key, in bounded memory. */
export class Groups<Example> {
  readonly #groups = new Map<string, Group<Example>>()
  /** Requests of groups beyond `MAX_GROUPS`. */
  others = 0

  add(key: readonly string[], example: () => Example): void {
    const text = JSON.stringify(key)
    const known = this.#groups.get(text)
    if (known !== undefined) known.count += 1
    else if (this.#groups.size >= MAX_GROUPS) this.others += 1
    else this.#groups.set(text, { key, count: 1, example: example() })
  }

  /** The largest first. */
  get list(): readonly Group<Example>[] {
    return [...this.#groups.values()].toSorted((a, b) => b.count - a.count)
  }
}
