import t from 'tap'
import { isOutdated, parseReport, type ServerReport } from '../../../src/control/server-report.ts'

const report: ServerReport = {
  server: 'outrider-control-1',
  atMs: 1_000_000,
  sequence: 3,
  connected: 12,
  behind: 1,
  names: ['spiffe://td.example/ns/default/sa/web web-1'],
  roots: { ab12: { sidecars: 4, connections: 9, control: true } },
}

t.test('a report is read as it was written', async (t) => {
  t.same(parseReport(JSON.stringify(report)), report)
})

t.test('what is no report counts as none', async (t) => {
  const bad: readonly (readonly [string, unknown])[] = [
    ['no object', 7],
    ['null', null],
    ['a list', [report]],
    ['no server', { ...report, server: undefined }],
    ['a negative count', { ...report, behind: -1 }],
    ['a part of a sidecar', { ...report, connected: 1.5 }],
    ['a sequence in words', { ...report, sequence: 'three' }],
    ['names that are none', { ...report, names: [1] }],
    ['roots in a list', { ...report, roots: [] }],
    ['a root without a count', { ...report, roots: { ab12: { sidecars: 4, control: true } } }],
    ['a root that says yes', { ...report, roots: { ab12: { sidecars: 4, connections: 9, control: 'yes' } } }],
  ]
  for (const [name, value] of bad) t.equal(parseReport(JSON.stringify(value)), undefined, name)
  t.equal(parseReport('{'), undefined, 'no JSON')
  t.ok(isOutdated('{', 0))
})

t.test('a server that is gone, or whose clock is far away, counts for a quarter of an hour', async (t) => {
  const text = JSON.stringify(report)
  const minutes = (count: number): boolean => isOutdated(text, report.atMs + count * 60_000)
  t.same([0, 16, 17, -16, -17].map(minutes), [false, false, true, false, true])
})
