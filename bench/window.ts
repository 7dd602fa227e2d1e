import { cpuMicroseconds } from './measure.ts'
import type { Contest } from './scenarios/scenario.ts'

/** Fills connection pools and lets compilers settle before each measured window. */
const WARM_UP_S = 1

export interface Window<T> {
  readonly result: T
  /** CPU time of the outbound and of the inbound proxy in the window, in microseconds. */
  readonly cpuOutUs: number
  readonly cpuInUs: number
}

/** Puts the load on for a warm-up and for the measured window. */
export async function measureWindow<T>(
  { running: { outPids, inPids }, seconds }: Contest,
  load: (seconds: number) => Promise<T>,
): Promise<Window<T>> {
  await load(WARM_UP_S)
  const [outBefore, inBefore] = [cpuMicroseconds(outPids), cpuMicroseconds(inPids)]
  const result = await load(seconds)
  return { result, cpuOutUs: cpuMicroseconds(outPids) - outBefore, cpuInUs: cpuMicroseconds(inPids) - inBefore }
}
