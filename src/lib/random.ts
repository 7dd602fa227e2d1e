import { randomInt } from 'node:crypto'

/** A number in [0, 1). Randomness is an argument wherever it decides something, so that tests can repeat it. */
export type Random = () => number

const STEPS = 2 ** 47

export const systemRandom: Random = () => randomInt(STEPS) / STEPS
