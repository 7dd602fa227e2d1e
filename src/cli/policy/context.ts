import type { CommandContext } from '../command.ts'
import type { Format } from '../output.ts'

/** What `outrider policy` was given; each tool reads its own part. */
export interface PolicyOptions {
  readonly file: readonly string[]
  readonly live: boolean | undefined
  readonly from: readonly string[]
  readonly to: readonly string[]
  readonly log: readonly string[]
  readonly strict: boolean | undefined
  readonly junit: string | undefined
  readonly coverage: boolean | undefined
  readonly 'require-coverage': boolean | undefined
  readonly workload: string | undefined
  readonly 'request-id': string | undefined
  readonly principal: string | undefined
  readonly tcp: boolean | undefined
  readonly method: string | undefined
  readonly path: string | undefined
  readonly host: string | undefined
  readonly port: string | undefined
  readonly header: readonly string[]
  readonly address: string | undefined
  readonly sni: string | undefined
  readonly token: readonly string[]
  readonly 'api-key': string | undefined
  readonly at: string | undefined
  readonly 'fail-on-denied': boolean | undefined
  readonly 'min-support': string
  readonly output: Format
  readonly socket: string | undefined
}

export type PolicyContext = Omit<CommandContext, 'options'> & { readonly options: PolicyOptions }
