import type { App, AppKind } from '../apps/app.ts'
import type { Bar } from '../bars.ts'
import type { Figure, Values } from '../figures.ts'
import type { Running, Subject } from '../subjects/subject.ts'

/** One question, asked to every subject in the same way. */
export interface Scenario {
  readonly name: string
  /** The question in one line, for the usage text and the report. */
  readonly question: string
  readonly subjects: readonly Subject[]
  readonly app: AppKind
  /** Why the load cannot be made here, or undefined when it can. */
  available(): string | undefined
  /** What makes the load, in a few words with its version, for the report. */
  load(): string
  readonly connections: number
  readonly rounds: number
  /** What is reported, in this order. */
  readonly figures: readonly Figure[]
  /** The one of them that subjects are compared by. */
  readonly compared: Figure
  readonly bars: readonly Bar[]
  /** Warms up, measures once, and returns a value for each of `figures`. */
  round(contest: Contest): Promise<Values>
}

/** A subject that is up, in a round. */
export interface Contest {
  readonly running: Running
  readonly app: App
  readonly seconds: number
  readonly connections: number
  /** Temporary folder of the bench. */
  readonly folder: string
  readonly signal: AbortSignal
}
