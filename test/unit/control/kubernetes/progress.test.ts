import t from 'tap'
import { Progress, type ProgressPart, revisionOf } from '../../../../src/control/kubernetes/progress.ts'

function setUp(): { progress: Progress; parts: ProgressPart[]; relisted: number[]; reached: () => number } {
  let reached = 0
  const relisted: number[] = []
  const progress = new Progress(() => {
    reached += 1
  })
  const parts = [0, 1].map((index) => progress.add(() => relisted.push(index)))
  return { progress, parts, relisted, reached: () => reached }
}

t.test('as much is known as is known of each collection', async (t) => {
  const { progress, parts } = setUp()
  t.equal(progress.known, 0)
  parts[0]!.told(200, 1)
  t.equal(progress.known, 0)
  parts[1]!.told(150, 1)
  t.equal(progress.known, 150)
  parts[1]!.told(140, 0)
  t.equal(progress.known, 150, 'it never falls')
  t.equal(progress.reach(150), 'known')
})

t.test('what is behind is listed, once, until it is known', async (t) => {
  const { progress, parts, relisted, reached } = setUp()
  parts[0]!.told(200, 1)
  parts[1]!.told(150, 1)
  t.equal(progress.reach(180), 'awaited')
  t.equal(progress.reach(180), 'awaited')
  t.equal(progress.reach(170), 'awaited')
  t.same(relisted, [1], 'and nothing else')
  parts[1]!.told(190, 1)
  t.equal(reached(), 1)
  t.equal(progress.reach(180), 'known')
})

t.test('a list that was under way is not enough to say that the cluster has not got there', async (t) => {
  const { progress, parts, relisted, reached } = setUp()
  for (const part of parts) part.told(150, 1)
  t.equal(progress.reach(1000), 'awaited')
  for (const part of parts) part.told(160, 1)
  t.equal(reached(), 0)
  t.same(relisted, [0, 1, 0, 1])
  for (const part of parts) part.told(170, 1)
  t.equal(reached(), 1)
  t.equal(progress.reach(1000), 'beyond')
  t.equal(progress.reach(999), 'beyond')
  t.equal(progress.reach(1001), 'awaited', 'a later one is another question')
  for (const part of parts) part.told(1001, 0)
  t.equal(reached(), 2)
  t.equal(progress.reach(1000), 'known', 'and it may get there after all')
})

t.test('resourceVersions are decimal numbers, or nothing', async (t) => {
  t.equal(revisionOf('12345', 'list pods'), 12_345)
  for (const text of [undefined, '', '0', '-1', '01', '1.5', '1e3', 'abc', '9'.repeat(17), ' 1'])
    t.throws(() => revisionOf(text, 'list pods'), { code: 'kubernetes-revision', message: /^list pods/ })
})
