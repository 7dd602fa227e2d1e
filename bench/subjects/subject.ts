import type { Certificates } from '../certificates.ts'
import type { Child } from '../processes.ts'

/** What a subject gets for its run: everything of it is on loopback and is gone afterwards. */
export interface Environment {
  /** Temporary folder of this subject alone. */
  readonly folder: string
  readonly certificates: Certificates
  /** Port of the application behind the inbound proxy. */
  readonly appPort: number
  readonly signal: AbortSignal
  /** Where Outrider's sidecars leave a CPU profile at their end; undefined: none is taken. */
  readonly profileFolder: string | undefined
}

/** A pair of proxies that is up: client -> `outUrl` -> mutual TLS 1.3 -> inbound proxy -> application. */
export interface Running {
  readonly outUrl: string
  readonly outPids: readonly number[]
  readonly inPids: readonly number[]
  /** Why one of its processes ended, or undefined while all run. */
  readonly crash: () => string | undefined
  stop(): Promise<void>
}

/** A proxy that can be measured. */
export interface Subject {
  readonly name: string
  /** Why it cannot run here, or undefined when it can. */
  available(): string | undefined
  version(): string
  start(environment: Environment): Promise<Running>
}

/** The usual pair: one process tree for each direction. */
export function runningPair(outPort: number, outbound: Child, inbound: Child): Running {
  const { pid: outPid } = outbound
  const { pid: inPid } = inbound
  return {
    outUrl: `http://127.0.0.1:${outPort}/x`,
    outPids: [outPid],
    inPids: [inPid],
    crash: () => inbound.crash ?? outbound.crash,
    stop: async () => {
      await Promise.all([outbound.stop(), inbound.stop()])
    },
  }
}
