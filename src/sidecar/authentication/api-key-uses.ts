/** Which API keys were good here, and when last, since somebody asked. As many entries as there are secrets in the policy, at most. */
export class ApiKeyUses {
  readonly #lastMs = new Map<string, number>()

  record(id: string, nowMs: number): void {
    this.#lastMs.set(id, nowMs)
  }

  /** Gives them away. */
  take(): ReadonlyMap<string, number> {
    const taken = new Map(this.#lastMs)
    this.#lastMs.clear()
    return taken
  }
}
