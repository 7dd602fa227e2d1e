import { nameOf, type ResourceName, resourceKey } from '../../policy/model.ts'
import type { Change } from '../store/store.ts'
import type { Mesh } from './mesh.ts'

/**
 * Second stage: stores the changes in one transaction, and with them that services resolve differently because a
 * workload behind them changed. Returns the revision; the present one when there is nothing to store.
 * `revision`: where it is not for the store to count.
 */
export function commit(changes: readonly Change[], { store, catalogue, clock }: Mesh, revision?: number): number {
  if (changes.length === 0) return store.revision
  const touched = new Map<string, ResourceName>()
  for (const change of changes) {
    const name = change.kind === 'put' ? nameOf(change.resource) : change.name
    if (name.kind !== 'Workload') continue
    for (const service of catalogue.servedBy(name)) touched.set(resourceKey(nameOf(service)), nameOf(service))
  }
  const batch = { changes, touched: [...touched.values()], ...(revision !== undefined && { revision }) }
  return store.commit(batch, clock.now())
}
