import t from 'tap'
import { parsePort } from '../../../../src/policy/match/port.ts'

t.test('ports are whole numbers from 1 to 65535', async (t) => {
  for (const port of [1, 80, 65535]) t.equal(parsePort(port), port)
  for (const port of [0, -1, 65536, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => parsePort(port), { code: 'port-out-of-range' }, String(port))
})
