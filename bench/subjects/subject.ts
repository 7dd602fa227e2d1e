import type { App } from '../apps/app.ts'
import type { Certificates } from '../certificates.ts'
import type { Child } from '../processes.ts'

/** What a subject gets for its run: everything of it is on loopback and is gone afterwards. */
export interface Environment {
  /** Temporary folder of this subject alone. */
  readonly folder: string
  readonly certificates: Certificates
  /** The application behind the inbound proxy. The outbound one is spoken to in the same protocol. */
  readonly app: Pick<App, 'port' | 'protocol' | 'exchange'>
  /** Connections that each proxy must be able to hold. */
  readonly maxConnections: number
  readonly signal: AbortSignal
  /** Where Outrider's sidecars leave a CPU profile at their end; undefined: none is taken. */
  readonly profileFolder: string | undefined
}

/** Files that a client proves itself with: the chain of its certificate and the key. */
export interface Identity {
  readonly certificate: string
  readonly key: string
}

/** A pair of proxies that is up: client -> outPort -> mutual TLS 1.3 -> inPort -> application. */
export interface Running {
  readonly outPort: number
  readonly inPort: number
  /** What the inbound proxy accepts from a client of the hop itself. */
  readonly identity: Identity
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

export interface Side {
  readonly port: number
  readonly proxy: Child
}

/** The usual pair: one process tree for each direction. */
export function runningPair(outbound: Side, inbound: Side, { client }: Certificates): Running {
  const proxies = [inbound.proxy, outbound.proxy]
  return {
    outPort: outbound.port,
    inPort: inbound.port,
    identity: client,
    outPids: [outbound.proxy.pid],
    inPids: [inbound.proxy.pid],
    crash: () => proxies.map(({ crash }) => crash).find((crash) => crash !== undefined),
    stop: async () => {
      await Promise.all(proxies.map(async (proxy) => proxy.stop()))
    },
  }
}
