/**
 * Bytes of bodies that came over HTTP/2 and that nobody has taken yet, in the whole process. Streams are bounded one by one
 * by their windows. As long as all together hold less than `maxHeldBytes`, a connection's window is opened again for
 * what has come: a slow reader holds up its own stream and no other. Beyond it, only for what was taken.
 */
export class BodyBudget {
  readonly #maxHeldBytes: number
  #held = 0

  constructor(maxHeldBytes: number) {
    this.#maxHeldBytes = maxHeldBytes
  }

  get exhausted(): boolean {
    return this.#held > this.#maxHeldBytes
  }

  /** Less than three quarters are left: nobody gets more than the others. */
  get crowded(): boolean {
    return this.#held * 4 > this.#maxHeldBytes
  }

  get heldBytes(): number {
    return this.#held
  }

  hold(bytes: number): void {
    this.#held += bytes
  }

  release(bytes: number): void {
    this.#held -= bytes
  }
}
