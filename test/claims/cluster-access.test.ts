import t from 'tap'
import { controlOptions } from '../../src/config/control.ts'
import { injectorOptions } from '../../src/config/injector.ts'
import { type OptionTable, variableOf } from '../../src/config/option.ts'
import { parseValue } from '../../src/config/value.ts'
import { controlAccess } from '../../src/control/kubernetes/access.ts'
import { fieldsOf, itemsOf, textOf } from '../../src/injector/pod.ts'
import { injectorAccess } from '../../src/injector/webhook/access.ts'
import { readManifests } from '../../src/installation/manifests.ts'
import { nameOf } from '../../src/installation/object-types.ts'
import type { Access } from '../../src/kubernetes/access.ts'
import type { ClusterObject } from '../../src/kubernetes/objects.ts'
import { programVersion } from '../../src/cli/commands/version.ts'
import { read, sourceFiles, withoutComments } from './sources.ts'

const manifests = readManifests()
const tables = { 'outrider-control': controlAccess, 'outrider-injector': injectorAccess }

/** One right, as a line: where, verb, resource, names. */
function rightsOf(access: readonly Access[]): readonly string[] {
  const lines = access.flatMap(({ type, subresource, verbs, names = [], own }) => {
    const resource = [type.plural, subresource].filter((part) => part !== undefined).join('/')
    return verbs.map((verb) => right(own === true ? 'Role' : 'ClusterRole', verb, type.group, resource, names))
  })
  return [...new Set(lines)].toSorted()
}

function right(kind: string, verb: string, group: string, resource: string, names: readonly string[]): string {
  return `${kind} ${verb} ${group}/${resource} ${names.join(',')}`.trimEnd()
}

function textsOf(value: unknown): readonly string[] {
  return itemsOf(value).map((item) => textOf(item) ?? '')
}

function grantedBy({ kind = '', rules }: ClusterObject): readonly string[] {
  return itemsOf(rules).flatMap((rule) => {
    const { apiGroups, resources, resourceNames, verbs, ...more } = fieldsOf(rule)
    if (Object.keys(more).length > 0) return [`unknown: ${Object.keys(more).join(', ')}`]
    return textsOf(apiGroups).flatMap((group) =>
      textsOf(resources).flatMap((resource) =>
        textsOf(verbs).map((verb) => right(kind, verb, group, resource, textsOf(resourceNames))),
      ),
    )
  })
}

for (const [account, access] of Object.entries(tables)) {
  t.test(`${account} may do what its code asks for, and nothing else`, async (t) => {
    const roles = manifests.filter(({ kind, metadata }) => (kind ?? '').endsWith('Role') && metadata.name === account)
    t.same([...new Set(roles.flatMap(grantedBy))].toSorted(), rightsOf(access))
    for (const role of roles) {
      const binding = manifests.find(
        ({ kind, metadata }) => kind === `${role.kind}Binding` && metadata.name === account,
      )
      t.match(binding, {
        roleRef: { kind: role.kind, name: account },
        subjects: [{ kind: 'ServiceAccount', name: account, namespace: 'outrider-system' }],
      })
    }
  })
}

t.test('no role has a wildcard, and nobody else has a role', async (t) => {
  for (const object of manifests.filter(({ kind }) => /Role(?:Binding)?$/.test(kind ?? ''))) {
    t.notMatch(JSON.stringify(object), '*', nameOf(object))
    t.ok(Object.keys(tables).includes(object.metadata.name), nameOf(object))
  }
})

/** Methods of a client, and the rights that they need. */
const verbsOf: Readonly<Record<string, readonly string[]>> = {
  get: ['get'],
  list: ['list'],
  create: ['create'],
  replace: ['update'],
  mergePatch: ['patch'],
  apply: ['create', 'patch'],
  delete: ['delete'],
}

t.test('every call in the code with a type by name is in the tables', async (t) => {
  let found = 0
  for (const [folder, access] of [
    ['src/control', controlAccess],
    ['src/injector', injectorAccess],
  ] as const) {
    const files = sourceFiles(folder).filter((file) => !file.endsWith('/access.ts'))
    const texts = files.map((file) => withoutComments(read(file)))
    const constants = new Map(
      texts.flatMap((text) =>
        [...text.matchAll(/const (\w+): ResourceType = \{[^}]*plural: '([a-z]+)'/g)].map(
          ([, name = '', plural = '']) => [name, plural] as const,
        ),
      ),
    )
    const may = (verb: string, plural: string | undefined): boolean =>
      access.some(({ type, verbs, subresource }) => {
        const has: readonly string[] = verbs
        return subresource === undefined && type.plural === plural && has.includes(verb)
      })
    for (const plural of constants.values())
      t.ok(
        access.some(({ type }) => type.plural === plural),
        plural,
      )
    for (const text of texts) {
      for (const [call, method = '', name = ''] of text.matchAll(/\.(\w+)\((\w+),/g)) {
        if (!constants.has(name) || !Object.hasOwn(verbsOf, method)) continue
        found += 1
        for (const verb of verbsOf[method] ?? []) t.ok(may(verb, constants.get(name)), `${call}: ${verb}`)
      }
      for (const [call, name = ''] of text.matchAll(/\{ type: (\w+),/g)) {
        if (!constants.has(name)) continue
        found += 1
        for (const verb of ['list', 'watch']) t.ok(may(verb, constants.get(name)), `${call}: ${verb}`)
      }
    }
  }
  t.ok(found >= 3, `${found} calls`)
})

const processes: Readonly<Record<string, OptionTable>> = { control: controlOptions, injector: injectorOptions }

t.test('the settings in the manifests are options of their process', async (t) => {
  for (const deployment of manifests.filter(({ kind }) => kind === 'Deployment')) {
    const { metadata, spec } = fieldsOf(fieldsOf(deployment['spec'])['template'])
    const [container] = itemsOf(fieldsOf(spec)['containers']).map(fieldsOf)
    const [process = ''] = textsOf(container?.['args'])
    const table = processes[process] ?? {}
    for (const { name, value } of itemsOf(container?.['env']).map(fieldsOf)) {
      const option = Object.entries(table).find(([key]) => variableOf(key) === name)?.[1]
      if (t.ok(option, `${process}: ${textOf(name)}`) && option !== undefined)
        t.match(parseValue(option, String(value).replaceAll(/\$\(\w+\)/g, 'x')), { ok: true }, textOf(name) ?? '')
    }
    const version = programVersion()
    t.equal(container?.['image'], `outrider:${version}`)
    for (const labels of [deployment.metadata.labels, fieldsOf(metadata)['labels']])
      t.equal(fieldsOf(labels)['app.kubernetes.io/version'], version)
  }
  t.match(read('deploy/base/kustomization.yaml'), `newTag: ${programVersion()}\n`)
})

t.test('the webhooks ask about all of our kinds', async (t) => {
  const plurals = controlAccess.flatMap(({ type, subresource }) =>
    type.group === 'outrider.mesh' && subresource === undefined ? [type.plural] : [],
  )
  const validating = manifests.find(({ kind }) => kind === 'ValidatingWebhookConfiguration')
  const [rule] = itemsOf(fieldsOf(itemsOf(validating?.['webhooks'])[0])['rules'])
  t.same(fieldsOf(rule)['resources'], plurals)
  const names = manifests.flatMap(({ kind, metadata }) => (kind === 'CustomResourceDefinition' ? [metadata.name] : []))
  t.same(names.toSorted(), plurals.map((plural) => `${plural}.outrider.mesh`).toSorted())
})
