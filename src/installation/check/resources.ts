import { fieldsOf, itemsOf, textOf } from '../../injector/pod.ts'
import type { ClusterObject } from '../../kubernetes/objects.ts'
import { type Finding, named } from './finding.ts'
import { collect, type Look } from './look.ts'

/** Resources of ours that the control servers do not take, each with its reason. */
export async function resources(look: Look): Promise<readonly Finding[]> {
  const refused: string[] = []
  let count = 0
  for (const definition of look.manifests.filter(({ kind }) => kind === 'CustomResourceDefinition')) {
    const { group, names, versions } = fieldsOf(definition['spec'])
    const [version] = itemsOf(versions)
    const type = {
      group: textOf(group) ?? '',
      version: textOf(fieldsOf(version)['name']) ?? '',
      plural: textOf(fieldsOf(names)['plural']) ?? '',
      namespaced: true,
    }
    const found = await collect(look, type, refusalOf)
    count += found.size
    for (const [key, why] of found) if (why !== undefined) refused.push(`${type.plural} ${key} (${why})`)
  }
  const check = 'resources'
  if (refused.length === 0) return [{ check, result: 'ok', detail: `none of ${count} is refused` }]
  const detail = `${named(refused)} are not taken, and what was there before is in force; kubectl describe tells all`
  return [{ check, result: 'failed', detail }]
}

/** Why a resource is not accepted; undefined where it is, or nobody has said anything yet. */
function refusalOf({ status }: ClusterObject): string | undefined {
  const condition = itemsOf(fieldsOf(status)['conditions'])
    .map(fieldsOf)
    .find(({ type }) => type === 'Accepted')
  return condition?.['status'] === 'False' ? (textOf(condition['reason']) ?? 'no reason is told') : undefined
}
