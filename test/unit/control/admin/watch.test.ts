import { join } from 'node:path'
import t from 'tap'
import { watchResources } from '../../../../src/control/admin/watch.ts'
import { openSqliteStore } from '../../../../src/control/store/sqlite.ts'
import type { OutriderError } from '../../../../src/lib/errors.ts'
import { validateResource } from '../../../../src/policy/validate.ts'
import type { ServerStream } from '../../../../src/rpc/stream.ts'
import type { ResourceEvent } from '../../../../src/wire/outrider/admin/v1/ResourceEvent.ts'
import { temporaryFolder, workload } from '../../../fixtures/control.ts'

/** A reader that takes nothing. */
class StuckStream implements ServerStream<ResourceEvent> {
  backlog = 0
  ended: OutriderError | undefined
  #close = (): void => {}

  send(): void {
    this.backlog += 1
  }
  end(error?: OutriderError): void {
    this.ended = error
    this.#close()
  }
  onClose(listener: () => void): void {
    this.#close = listener
  }
}

t.test('watchers are bounded in number and in what waits for them', async (t) => {
  const store = openSqliteStore(join(temporaryFolder(t), 'outrider.db'))
  t.teardown(() => store.close())
  const result = validateResource(workload('web'))
  if (!result.ok) throw new Error('the fixture is not valid')
  const { resource } = result
  const watch = watchResources(store)

  const streams = Array.from({ length: 100 }, () => new StuckStream())
  for (const stream of streams) watch({}, stream)
  t.throws(() => watch({}, new StuckStream()), { code: 'too-many-watchers', message: /100/ })
  for (const stream of streams) stream.end()

  const other = new StuckStream()
  watch({ namespace: 'other' }, other)
  const stuck = new StuckStream()
  watch({}, stuck)
  const changes = Array.from({ length: 10_000 }, () => ({ kind: 'put', resource, document: '{}' }) as const)
  store.commit({ changes: changes.slice(0, 9_999) }, 0)
  t.equal(stuck.ended, undefined)
  store.commit({ changes: changes.slice(0, 1) }, 0)
  t.match(stuck.ended, { code: 'watcher-too-slow', message: /10000/ })
  const { backlog } = stuck
  store.commit({ changes: changes.slice(0, 1) }, 0)
  t.equal(stuck.backlog, backlog, 'nothing more is kept for it')
  t.equal(other.backlog, 1, 'the bookmark alone: the rest is of another namespace')
})
