import type { LoadOptions, LoadResult } from '../load.ts'
import type { Subject } from '../subjects/subject.ts'

/** One question, asked to every subject in the same way. */
export interface Scenario {
  readonly name: string
  /** The question in one line, for the usage text and the report. */
  readonly question: string
  readonly subjects: readonly Subject[]
  /** Why the load cannot be made here, or undefined when it can. */
  available(): string | undefined
  readonly connections: number
  /** The Host header of the requests. */
  readonly host: string
  load(options: LoadOptions): Promise<LoadResult>
}
