import type { Timestamp, Timestamp__Output } from '../wire/google/protobuf/Timestamp.ts'

/** google.protobuf.Timestamp of milliseconds since the Unix epoch. */
export function timestampOf(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000)
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1_000_000) }
}

/** Milliseconds since the Unix epoch; `undefined` for a timestamp that is not there. */
export function millisecondsOf(timestamp: Timestamp__Output | null): number | undefined {
  return timestamp === null ? undefined : timestamp.seconds * 1000 + timestamp.nanos / 1_000_000
}

/** RFC 3339, in UTC; `undefined` for a timestamp that is not there. */
export function isoOf(timestamp: Timestamp__Output | null): string | undefined {
  const ms = millisecondsOf(timestamp)
  return ms === undefined ? undefined : new Date(ms).toISOString()
}
