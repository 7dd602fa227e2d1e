import t from 'tap'
import { beyondNamespace } from '../../../src/policy/tenancy.ts'
import { validateResource } from '../../../src/policy/validate.ts'

const specs: Readonly<Record<string, object>> = {
  MeshConfig: { outbound: 'deny' },
  Revocation: { spiffeIds: ['spiffe://test.local/ns/shop/sa/web'] },
  AuthorizationPolicy: { action: 'ALLOW', rules: [{}] },
}

function fault(kind: string, namespace: string, spec: object): string | undefined {
  const document = { apiVersion: 'outrider.mesh/v1', kind, metadata: { name: 'one', namespace }, spec }
  const result = validateResource(document)
  if (!result.ok) throw new Error(JSON.stringify(result.violations))
  return beyondNamespace(result.resource, 'outrider-system')?.code
}

t.test('an identity is of the namespace it is written in', async (t) => {
  const cases: readonly [namespace: string, path: string, code: string | undefined][] = [
    ['shop', '/ns/shop/sa/web', undefined],
    ['shop', '/ns/shop/vm/7', undefined],
    ['shop', '/ns/shop', 'identity-elsewhere'],
    ['shop', '/ns/bank/sa/web', 'identity-elsewhere'],
    ['shop', '/ns/shop2/sa/web', 'identity-elsewhere'],
    ['shop', '/vm/7', 'identity-elsewhere'],
    ['outrider-system', '/ns/bank/sa/web', undefined],
    ['outrider-system', '/vm/7', undefined],
  ]
  for (const [namespace, path, code] of cases)
    t.equal(fault('Workload', namespace, { spiffeId: `spiffe://test.local${path}` }), code, `${path} in ${namespace}`)
})

t.test('what holds for the whole mesh is written beside the control servers', async (t) => {
  for (const kind of ['MeshConfig', 'Revocation']) {
    t.equal(fault(kind, 'shop', specs[kind]!), 'mesh-wide-elsewhere', kind)
    t.equal(fault(kind, 'outrider-system', specs[kind]!), undefined, kind)
  }
  t.equal(fault('AuthorizationPolicy', 'shop', specs['AuthorizationPolicy']!), undefined)
})
