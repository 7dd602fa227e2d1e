import type { CertificateAuthority } from './certificate-authority.ts'

/** Where the CA of this server is kept, and the only way to change it. */
export interface CaHome {
  /** What is in force here. Not to be changed but by `change`. */
  readonly authority: CertificateAuthority
  /**
   * Performs `step` on the CA that is handed to it and resolves when the outcome is kept and in force here. Rejects with what `step` throws, with
   * `ca-write-failed` when it could not be kept, with `ca-changed-meanwhile` when another server was first: then nothing of it is in force.
   */
  change<T>(step: (authority: CertificateAuthority) => T): Promise<T>
  /** Certifies anew what signs, where that is due. */
  renewSigners(): Promise<void>
  close(): void
}

/** A CA that this server alone has, in its data folder. */
export function folderHome(authority: CertificateAuthority): CaHome {
  return {
    authority,
    change: async (step) => step(authority),
    renewSigners: async () => void authority.renewSigners(),
    close: () => {},
  }
}
