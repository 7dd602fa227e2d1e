import * as fc from 'fast-check'
import t from 'tap'
import { compileTime, matchesTime, parseZone, ZoneClock } from '../../../../src/policy/match/time.ts'
import { type TimeMatch, weekdays } from '../../../../src/policy/model.ts'

const at = (match: Partial<TimeMatch>, iso: string): boolean =>
  matchesTime(compileTime({ fromMinute: 0, toMinute: 1440, zone: 'UTC', ...match }), Date.parse(iso))

t.test('days and times', async (t) => {
  const office = { days: ['mon', 'fri'], fromMinute: 9 * 60, toMinute: 17 * 60 } as const
  t.ok(at(office, '2026-05-04T09:00:00Z'), 'from, itself')
  t.notOk(at(office, '2026-05-04T08:59:59.999Z'))
  t.ok(at(office, '2026-05-04T16:59:59.999Z'))
  t.notOk(at(office, '2026-05-04T17:00:00Z'), 'to, itself')
  t.notOk(at(office, '2026-05-05T12:00:00Z'), 'on Tuesday')
  t.ok(at({ days: ['sun'] }, '2026-05-03T23:59:59Z'))
  t.notOk(at({ days: ['sun'] }, '2026-05-04T00:00:00Z'))
})

t.test('over midnight', async (t) => {
  const night = { days: ['sat'], fromMinute: 22 * 60, toMinute: 6 * 60 } as const
  t.ok(at(night, '2026-05-02T22:00:00Z'))
  t.ok(at(night, '2026-05-03T05:59:00Z'), 'the night from Saturday to Sunday')
  t.notOk(at(night, '2026-05-03T06:00:00Z'))
  t.notOk(at(night, '2026-05-03T22:00:00Z'))
  t.notOk(at(night, '2026-05-02T05:00:00Z'), 'the night before began on Friday')
  t.ok(at({ days: ['sun'], fromMinute: 1380, toMinute: 60 }, '2026-05-04T00:30:00Z'), 'from the week into the next')
})

t.test('on the clock of its zone, through changes of daylight saving time', async (t) => {
  const berlin = { fromMinute: 150, toMinute: 180, zone: 'Europe/Berlin' } as const
  t.notOk(at(berlin, '2026-03-29T01:00:00Z'), '02:30 is skipped')
  t.ok(at(berlin, '2026-03-28T01:30:00Z'))
  t.ok(at(berlin, '2026-10-25T00:30:00Z'), '02:30 for the first time')
  t.ok(at(berlin, '2026-10-25T01:30:00Z'), '02:30 for the second time')
  t.ok(at({ days: ['mon'], zone: 'Pacific/Kiritimati' }, '2026-05-03T10:00:00Z'), 'Monday there')
})

t.test('zones are names of the database', async (t) => {
  for (const zone of ['UTC', 'Europe/Berlin', 'america/new_york', 'Etc/GMT+5'])
    t.equal(typeof parseZone(zone), 'string')
  for (const zone of ['', 'Mars/Base', '+01:00', '01:00', 'Europe/Berlin ', '../etc', 'x'.repeat(500)])
    t.throws(() => parseZone(zone), { code: 'time-zone-unknown' }, JSON.stringify(zone.slice(0, 20)))
})

t.test('agrees with what Intl shows, around changes too', async (t) => {
  const zones = [
    'UTC',
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kolkata',
    'Asia/Gaza',
    'Australia/Lord_Howe',
    'America/St_Johns',
    'Pacific/Apia',
    'Africa/Casablanca',
    'America/Sao_Paulo',
    'Antarctica/Troll',
  ]
  const clocks = new Map(zones.map((zone) => [zone, new ZoneClock(zone)]))
  const shown = new Map(
    zones.map((timeZone) => [
      timeZone,
      new Intl.DateTimeFormat('en-GB', {
        timeZone,
        weekday: 'long',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        hourCycle: 'h23',
      }),
    ]),
  )
  const minute = 60_000
  const any = fc.integer({ min: Date.UTC(1975, 0), max: Date.UTC(2037, 11) })
  // Around the hours in which many zones change.
  const change = fc
    .tuple(
      fc.integer({ min: 1976, max: 2036 }),
      fc.constantFrom(2, 3, 8, 9, 10),
      fc.integer({ min: 0, max: 31 * 24 * 60 }),
    )
    .map(([year, month, minutes]) => Date.UTC(year, month) + minutes * minute + 59_999)
  fc.assert(
    fc.property(fc.constantFrom(...zones), fc.oneof(any, change), fc.integer({ min: -1, max: 1 }), (zone, ms, near) => {
      for (const instant of [ms, ms + near * minute, ms]) {
        const [name = '', hour, min] = shown
          .get(zone)!
          .format(instant)
          .split(/[ ,:]+/)
        const day = weekdays.findIndex((weekday) => weekday === name.slice(0, 3).toLowerCase())
        const local = clocks.get(zone)!.at(instant)
        if (local.day !== day || local.minute !== Number(hour) * 60 + Number(min)) return false
      }
      return true
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

t.test('Intl is asked once a minute', async (t) => {
  const clock = new ZoneClock('Europe/Berlin')
  const begin = Date.parse('2026-05-04T09:00:00Z')
  const first = clock.at(begin)
  t.equal(clock.at(begin + 59_999), first, 'the very same answer')
  t.not(clock.at(begin + 60_000), first)
})
