/** How many there are of something in the whole process. */
export interface Tally {
  readonly total: number
  add(by: 1 | -1): void
}

/**
 * Gives out one tally after the other. Data planes of several threads claim theirs in the same order, so that each counts
 * together with its like.
 */
export interface Tallies {
  claim(): Tally
}

class OwnTally implements Tally {
  total = 0

  add(by: 1 | -1): void {
    this.total += by
  }
}

/** Tallies of a process with one data plane. */
export const ownTallies: Tallies = { claim: () => new OwnTally() }

/** Requests in flight, against `maxInFlight`. */
export class Load {
  readonly #requests: Tally

  constructor(requests: Tally) {
    this.#requests = requests
  }

  get inFlight(): number {
    return this.#requests.total
  }

  begin(): void {
    this.#requests.add(1)
  }

  end(): void {
    this.#requests.add(-1)
  }
}
