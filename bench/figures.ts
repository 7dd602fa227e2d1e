/** One thing that a round measures, and how it is reported. */
export interface Figure {
  /** Its name in JSON; ends in its unit where it has one. */
  readonly key: string
  /** The head of its column. */
  readonly head: string
  readonly digits: number
  /** How the rounds of a run become one value. */
  readonly over: 'median' | 'sum' | 'highest'
}

/** The values of figures by their key. */
export type Values = Readonly<Record<string, number>>

/** `values[figure.key]`; throws where a scenario did not measure what it said it would. */
export function valueOf(values: Values, { key }: Figure): number {
  const value = values[key]
  if (value === undefined) throw new Error(`${key} was not measured`)
  return value
}

export const requestsPerSecond: Figure = { key: 'rps', head: 'requests/s', digits: 0, over: 'median' }
export const cpuPerRequest: Figure = { key: 'cpuUsPerRequest', head: 'out + in, us', digits: 1, over: 'median' }
export const p50: Figure = { key: 'p50Ms', head: 'p50, ms', digits: 3, over: 'median' }
export const p99: Figure = { key: 'p99Ms', head: 'p99, ms', digits: 3, over: 'median' }
export const peakRss: Figure = { key: 'rssMb', head: 'RSS, MB', digits: 1, over: 'highest' }
export const requests: Figure = { key: 'requests', head: 'requests', digits: 0, over: 'sum' }
export const errors: Figure = { key: 'errors', head: 'errors', digits: 0, over: 'sum' }

/** CPU of a hop and both of its sides. */
export const cpuOfRequests: readonly Figure[] = [
  { key: 'cpuUsPerRequestOut', head: 'CPU out, us', digits: 1, over: 'median' },
  { key: 'cpuUsPerRequestIn', head: 'CPU in, us', digits: 1, over: 'median' },
  cpuPerRequest,
]
