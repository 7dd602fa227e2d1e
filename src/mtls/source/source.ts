import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../credentials.ts'

/** Where credentials come from, for as long as a process lives: each later value is as good as the first. */
export interface CredentialsSource {
  readonly credentials: Watch<Credentials>
  /** Follows no more; the last value stays. */
  close(): void
}

/** What a source that others feed tells. */
export interface SourceEvents {
  /** A value after the first is in use. */
  onChanged(credentials: Pick<Credentials, 'svid' | 'bundles'>): void
  /** What came cannot be used; what there was stays in use until it expires. */
  onRefused(error: unknown): void
}
