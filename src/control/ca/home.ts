import type { OutriderError } from '../../lib/errors.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import type { CertificateAuthority } from './certificate-authority.ts'

/** Where the CA of this server is kept, and the only way to change it. */
export interface CaHome {
  /** Other servers may have the same CA. */
  readonly shared: boolean
  /** What is in force here. Changed by `change` alone. */
  readonly authority: CertificateAuthority
  /** Why what is in force here may not be what is kept; undefined while nothing is known to be wrong. */
  readonly fault: Watch<OutriderError | undefined>
  /**
   * Performs `step` on the CA that is handed to it and resolves when the outcome is kept and in force here. Rejects with what `step` throws, with
   * `ca-write-failed` when it could not be kept, with `ca-changed-meanwhile` when another server was first: then nothing of it is in force.
   */
  change<T>(step: (authority: CertificateAuthority) => T): Promise<T>
  /** Certifies anew what signs, where that is due. Rejects as `change`. */
  renewSigners(): Promise<void>
  /** What other servers with the same CA have told last, by keys that mean nothing here. */
  readonly heard: ReadonlyMap<string, string>
  /** Tells them something in place of what was told before, or takes it back. Rejects when it could not be told. */
  tell(report: string | undefined): Promise<void>
  /** Resolves when what other servers had changed by the time of the call is in force here, or `fault` says why not. */
  catchUp(): Promise<void>
  close(): void
}

/** A CA that this server alone has, in its data folder. */
export function folderHome(authority: CertificateAuthority): CaHome {
  return {
    shared: false,
    authority,
    fault: new WatchCell<OutriderError | undefined>(undefined),
    change: async (step) => step(authority),
    renewSigners: async () => void authority.renewSigners(),
    heard: new Map(),
    tell: async () => {},
    catchUp: async () => {},
    close: () => {},
  }
}
