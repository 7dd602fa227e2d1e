import type { Svid } from '../../identity/svid.ts'
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
  readonly onChanged: (credentials: Credentials) => void
  /** What came cannot be used; what there was stays in use until it expires. */
  readonly onRefused: (error: unknown) => void
}

/** `next`, or `present` where that is the same SVID: who waits for a new one is not told of one that he has. */
export function unlessSame(next: Svid, present: Svid | undefined): Svid {
  return present !== undefined && next.chainPem === present.chainPem ? present : next
}
