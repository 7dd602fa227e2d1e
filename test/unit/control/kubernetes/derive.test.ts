import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { validateStored } from '../../../../src/policy/validate.ts'
import { Derivation, type ShortObject } from '../../../fixtures/derived.ts'
import { below, seed } from '../../../fixtures/fuzz.ts'

interface Case {
  readonly name: string
  readonly clusterDomain?: string
  readonly objects: readonly ShortObject[]
  readonly resources: Readonly<Record<string, unknown>>
}

const cases: readonly Case[] = parse(readFileSync('test/vectors/kubernetes-services.yaml', 'utf8'))

t.test('Services and pods are what the table says', async (t) => {
  t.ok(cases.length >= 12)
  for (const { name, objects, resources, clusterDomain } of cases) {
    const derivation = new Derivation(clusterDomain)
    for (const object of objects) derivation.put(object)
    t.same(derivation.resources(), resources, name)
  }
})

t.test('each of them can be stored, and reads as what it was', async (t) => {
  for (const { name, objects, clusterDomain } of cases) {
    const derivation = new Derivation(clusterDomain)
    for (const object of objects) derivation.put(object)
    for (const resource of derivation.dirty()) {
      const wanted = derivation.desired.want(resource)
      if (wanted === undefined || wanted === 'held') continue
      t.same(validateStored(JSON.parse(wanted.text)), { ok: true, resource: wanted.resource }, name)
    }
  }
})

t.test('the order in which objects come does not matter, nor what was there in between', async (t) => {
  t.comment(`seed ${seed}`)
  const random = (): number => below(1_000_000) / 1_000_000
  for (const { name, objects, resources, clusterDomain } of cases) {
    for (let round = 0; round < 40; round += 1) {
      const derivation = new Derivation(clusterDomain)
      const order = objects.map((object) => ({ object, at: random() })).toSorted((a, b) => a.at - b.at)
      for (const { object } of order) {
        derivation.put(object)
        // Now and then somebody looks, and something goes and comes back.
        if (random() < 0.3) derivation.dirty()
        const again = order[Math.floor(random() * order.length)]!.object
        if (random() < 0.3) {
          derivation.remove(again)
          if (random() < 0.5) derivation.dirty()
        }
      }
      for (const { object } of order) derivation.put(object)
      t.same(derivation.resources(), resources, name)
      for (const { object } of order) derivation.remove(object)
      t.same(derivation.resources(), {}, 'and nothing is left of it')
    }
  }
})

t.test(
  'a custom resource that cannot be read leaves the one before in force, with endpoints that are current',
  async (t) => {
    const derivation = new Derivation()
    const meshed = { OUTRIDER_CAPTURE_MODE: 'redirect', OUTRIDER_CAPTURE_INBOUND_PORTS: '80' }
    const name = { kind: 'Service', namespace: 'default', name: 'web' } as const
    derivation.put({ written: { kind: 'Service', name: 'web', spec: { ports: 'none' } } })
    derivation.dirty()
    t.equal(derivation.desired.want(name), 'held', 'what the store has stays')
    derivation.put({ written: { kind: 'Service', name: 'web', spec: { ports: [{ port: 80 }], workloads: ['web'] } } })
    derivation.put({ written: { kind: 'Service', name: 'web', spec: { ports: 'none' } } })
    derivation.put({ pod: { name: 'web-1', account: 'web', meshed } })
    derivation.put({ service: { name: 'web', clusterIPs: ['10.96.0.1'], ports: [{ port: 80 }] } })
    derivation.put({
      slice: { name: 'a', service: 'web', ports: [{ port: 80 }], endpoints: [{ ip: '10.1.0.1', pod: 'web-1' }] },
    })
    t.match(derivation.resources(), {
      'Service/default/web': { workloads: ['default/web'], endpoints: [{ address: '10.1.0.1', port: 80 }] },
    })
  },
)
