import t from 'tap'
import { matchesPort, parsePort } from '../../../../src/policy/match/port.ts'

t.test('ports are whole numbers from 1 to 65535', async (t) => {
  for (const port of [1, 80, 65535]) t.equal(parsePort(port), port)
  for (const port of [0, -1, 65536, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => parsePort(port), { code: 'port-out-of-range' }, String(port))
})

t.test('an absent matcher matches every port', async (t) => {
  t.ok(matchesPort(undefined, 80))
  t.ok(matchesPort(new Set([80, 81]), 81))
  t.notOk(matchesPort(new Set([80]), 8080))
})
