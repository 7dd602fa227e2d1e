import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { readManifests } from '../../../src/installation/manifests.ts'
import { nameOf } from '../../../src/installation/object-types.ts'
import { canonical } from '../../../src/installation/plan.ts'
import { render, written } from '../../../src/installation/render.ts'
import { type ClusterObject, objectOf } from '../../../src/kubernetes/objects.ts'
import { parseDocuments } from '../../../src/policy/document.ts'
import { programVersion } from '../../../src/cli/commands/version.ts'
import { findProgram } from '../../fixtures/process.ts'
import { root } from '../../claims/sources.ts'

const settings = { ...written, image: `outrider:${programVersion()}`, replicas: 2 }
const manifests = readManifests()

/** Paths at which two values differ, with both. */
function differences(a: unknown, b: unknown, at = ''): readonly string[] {
  if (canonical({ a }) === canonical({ a: b })) return []
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return [`${at}: ${JSON.stringify(a)} -> ${JSON.stringify(b)}`]
  const [before, after] = [new Map(Object.entries(a)), new Map(Object.entries(b))]
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) =>
    differences(before.get(key), after.get(key), `${at}.${key}`),
  )
}

t.test('with the settings that are written there the manifests stay as they are', async (t) => {
  t.same(differences(manifests, render(manifests, settings)), [])
})

t.test('each setting goes to where it belongs, and nowhere else', async (t) => {
  const changed = {
    trustDomain: 'prod.example',
    image: 'registry.example.com/outrider@sha256:00',
    replicas: 3,
    mode: 'explicit',
  }
  const rendered = render(manifests, changed)
  const told = manifests.flatMap((object, index) =>
    differences(object, rendered[index]).map((difference) => `${nameOf(object)} ${difference}`),
  )
  const [control, injector] = [
    'Deployment outrider-system/outrider-control',
    'Deployment outrider-system/outrider-injector',
  ]
  const image = `.spec.template.spec.containers.0.image: "${settings.image}" -> "${changed.image}"`
  t.same(told, [
    'Workload outrider-system/outrider-injector .spec.spiffeId: "spiffe://outrider.local/ns/outrider-system/sa/outrider-injector" -> "spiffe://prod.example/ns/outrider-system/sa/outrider-injector"',
    `${control} .spec.replicas: 2 -> 3`,
    `${control} ${image}`,
    `${control} .spec.template.spec.containers.0.env.0.value: "outrider.local" -> "prod.example"`,
    `${injector} .spec.replicas: 2 -> 3`,
    `${injector} ${image}`,
    `${injector} .spec.template.spec.containers.0.env.0.value: "outrider.local" -> "prod.example"`,
    `${injector} .spec.template.spec.containers.0.env.1.value: "${settings.image}" -> "${changed.image}"`,
    `${injector} .spec.template.spec.containers.0.env.2.value: "redirect" -> "explicit"`,
  ])
})

t.test('kustomize makes the same of deploy/base, and the example of it what it says', async (t) => {
  const kubectl = findProgram('kubectl')
  if (kubectl === undefined) {
    console.log('note: left out: kubectl is not installed')
    t.pass('there is no kubectl')
    return
  }
  const build = (folder: string): readonly ClusterObject[] => {
    const text = execFileSync(kubectl, ['kustomize', join(root, 'deploy', folder)], { encoding: 'utf8' })
    return text
      .split(/^---$/m)
      .flatMap((piece) => parseDocuments(piece, folder).documents.map(({ value }) => objectOf(value, folder)))
  }
  const byName = (objects: readonly ClusterObject[]): readonly ClusterObject[] =>
    objects.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  t.same(differences(byName(manifests), byName(build('base'))), [])
  const example = {
    trustDomain: 'prod.example',
    image: 'registry.example.com/mesh/outrider:0.1.0',
    replicas: 3,
    mode: 'redirect',
  }
  t.same(differences(byName(render(manifests, example)), byName(build('overlays/example'))), [])
})
