import { OutriderError } from '../../lib/errors.ts'
import { type TimeMatch, weekdays } from '../model.ts'

const DAY = 1440
const MINUTE_MS = 60_000

/** Times of the week, in minutes of local time. */
export interface WeekTime {
  readonly zone: ZoneClock
  /** Days on which it begins, from Monday. */
  readonly days: readonly boolean[]
  readonly fromMinute: number
  readonly toMinute: number
}

/** Intl takes offsets as well, which know of no daylight saving time and would be meant for a place. */
export const zoneForm: RegExp = /^[A-Za-z][\w+/-]*$/

/** Reads a name of the IANA time zone database. Throws an `OutriderError` with `time-zone-unknown`. */
export function parseZone(text: string): string {
  if (zoneForm.test(text))
    try {
      return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone
    } catch {
      // Falls through to the refusal.
    }
  throw new OutriderError(
    'time-zone-unknown',
    `a time zone is a name of the IANA database, such as Europe/Berlin, not ${JSON.stringify(text.slice(0, 100))}`,
  )
}

/** Throws as `parseZone`. */
export function compileTime({ days, fromMinute, toMinute, zone }: TimeMatch): WeekTime {
  return {
    zone: zoneClock(parseZone(zone)),
    days: weekdays.map((day) => days?.includes(day) ?? true),
    fromMinute,
    toMinute,
  }
}

/** A time that ends no later than it begins ends on the next day. */
export function matchesTime({ zone, days, fromMinute, toMinute }: WeekTime, nowMs: number): boolean {
  const { day, minute } = zone.at(nowMs)
  if (toMinute > fromMinute) return days[day]! && minute >= fromMinute && minute < toMinute
  return (days[day]! && minute >= fromMinute) || (days[(day + 6) % 7]! && minute < toMinute)
}

interface LocalTime {
  /** From Monday, which is 0. */
  readonly day: number
  /** Since midnight on the clock: what daylight saving time skips never is, and what it repeats is twice. */
  readonly minute: number
}

/**
 * The clock on the wall of one time zone. To ask Intl takes a microsecond or more, so that it is asked once for each minute: since
 * 1972 all zones differ from UTC by whole minutes and change at whole minutes.
 */
export class ZoneClock {
  readonly #zone: string
  #format: Intl.DateTimeFormat | undefined
  #minute = Number.NaN
  #local: LocalTime = { day: 0, minute: 0 }

  constructor(zone: string) {
    this.#zone = zone
  }

  at(nowMs: number): LocalTime {
    const minute = Math.floor(nowMs / MINUTE_MS)
    if (minute !== this.#minute) {
      this.#local = this.#read(minute * MINUTE_MS)
      this.#minute = minute
    }
    return this.#local
  }

  #read(ms: number): LocalTime {
    this.#format ??= new Intl.DateTimeFormat('en-US', {
      timeZone: this.#zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    const parts = new Map(this.#format.formatToParts(ms).map(({ type, value }) => [type, value]))
    const name = parts.get('weekday')?.toLowerCase()
    const day = weekdays.findIndex((weekday) => weekday === name)
    return { day, minute: (Number(parts.get('hour')) * 60 + Number(parts.get('minute'))) % DAY }
  }
}

/** By zones that exist, some six hundred: a formatter takes tens of kilobytes, and many rules are about one zone. */
const clocks = new Map<string, ZoneClock>()

function zoneClock(zone: string): ZoneClock {
  const clock = clocks.get(zone) ?? new ZoneClock(zone)
  clocks.set(zone, clock)
  return clock
}
