import type { Values } from './figures.ts'

export interface LoadOptions {
  readonly port: number
  readonly path: string
  readonly connections: number
  readonly seconds: number
  readonly signal: AbortSignal
}

export interface LoadResult {
  /** Requests that were answered. */
  readonly requests: number
  readonly rps: number
  /** What the tool tells of it, by the keys of the figures. */
  readonly latency: Values
  /** Answers of status 400 and above, and connections or reads that failed. */
  readonly errors: number
}
