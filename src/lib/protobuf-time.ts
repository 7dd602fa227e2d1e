/** google.protobuf.Timestamp, seconds and nanoseconds since the Unix epoch, or google.protobuf.Duration. */
export interface ProtobufTime {
  readonly seconds: number
  readonly nanos: number
}

/** google.protobuf.Timestamp of milliseconds since the Unix epoch. */
export function timestampOf(ms: number): ProtobufTime {
  const seconds = Math.floor(ms / 1000)
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1_000_000) }
}

/** Milliseconds since the Unix epoch; `undefined` for a timestamp that is not there. */
export function millisecondsOf(timestamp: ProtobufTime | null): number | undefined {
  return timestamp === null ? undefined : timestamp.seconds * 1000 + timestamp.nanos / 1_000_000
}

/** RFC 3339, in UTC; `undefined` for a timestamp that is not there. */
export function isoOf(timestamp: ProtobufTime | null): string | undefined {
  const ms = millisecondsOf(timestamp)
  return ms === undefined ? undefined : new Date(ms).toISOString()
}

/** google.protobuf.Duration of whole milliseconds. */
export function durationOf(ms: number): ProtobufTime {
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 }
}

/** As a resource has it, such as `90s0ms`; `undefined` for one that is not there. */
export function durationText(duration: ProtobufTime | null): string | undefined {
  return duration === null ? undefined : `${duration.seconds}s${duration.nanos / 1_000_000}ms`
}
