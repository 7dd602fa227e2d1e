import type { Exchange } from '../exchange.ts'
import type { Child } from '../processes.ts'

/** The application behind the inbound proxy. It has one path, and is never measured. */
export interface App {
  /** What it is made of, for the report. */
  readonly kind: string
  readonly port: number
  /** HTTP/1.1, or HTTP/2 with prior knowledge and without TLS, for gRPC. */
  readonly protocol: 'http1' | 'grpc'
  readonly child: Child
  /** Asked to see whether the whole way works. */
  readonly exchange: Exchange
}

export interface AppKind {
  /** Why it cannot run here, or undefined when it can. */
  available(): string | undefined
  /** Starts it on a free loopback port; what it needs on disk goes to `folder`. It may not yet answer. */
  start(folder: string): Promise<App>
}
