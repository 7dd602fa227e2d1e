/** Clocks differ: what begins at this moment is taken by someone whose clock is behind by so much. Ends are exact. */
export const CLOCK_SKEW_MS = 20_000

const units = [
  { name: 'd', ms: 86_400_000 },
  { name: 'h', ms: 3_600_000 },
  { name: 'min', ms: 60_000 },
  { name: 's', ms: 1000 },
] as const

/** A duration for a person: `3 h`. */
export function span(ms: number): string {
  const unit = units.find((unit) => ms >= unit.ms)
  return unit === undefined ? `${ms} ms` : `${Math.floor(ms / unit.ms)} ${unit.name}`
}

export function iso(ms: number): string {
  return new Date(ms).toISOString()
}
