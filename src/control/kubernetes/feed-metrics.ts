import type { Clock, Timer } from '../../lib/clock.ts'
import { kinds } from '../../policy/model.ts'
import type { ControlMetrics } from '../metrics.ts'
import type { Feed } from './feed.ts'

const COUNT_EVERY_MS = 1000

/** Keeps the metrics of what is read from the cluster. Returns the way out. */
export function countFeed(feed: Feed, metrics: ControlMetrics, clock: Clock): () => void {
  let timer: Timer
  const count = (): void => {
    // A type is as well known as it is in the namespace where it is known worst.
    for (const [type, all] of Map.groupBy(feed.collections, ({ name }) => name)) {
      metrics.kubernetesObjects.with({ type }).set(all.reduce((sum, { size }) => sum + size, 0))
      metrics.kubernetesInStep.with({ type }).set(all.every(({ inStep }) => inStep) ? 1 : 0)
      const oldestMs = Math.min(...all.map(({ progressedAtMs }) => progressedAtMs))
      metrics.kubernetesProgress.with({ type }).set(oldestMs / 1000)
    }
    const held = Map.groupBy(feed.held, ({ name }) => name.kind)
    for (const kind of kinds) metrics.kubernetesHeldBack.with({ kind }).set(held.get(kind)?.length ?? 0)
    timer = clock.after(COUNT_EVERY_MS, count)
  }
  count()
  return () => timer.cancel()
}
