import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseAddress } from '../../../src/lib/address.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import { connectControl, type ControlClient } from '../../../src/rpc/client.ts'
import { makeTestCa, type TestCa, type TestLeaf } from '../../fixtures/ca.ts'
import {
  CONTROL_ID,
  startTestControl,
  temporaryFolder,
  type TestControl,
  TRUST_DOMAIN,
  workload,
} from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { credentialsOf } from '../../fixtures/sidecar.ts'

checkLeaks(t)

const web = '/ns/default/sa/web'

/** A control server under a root that other issuers stand under as well. */
async function startUnder(t: Test, root: TestCa): Promise<TestControl> {
  const folder = temporaryFolder(t)
  const own = root.intermediate()
  const [certificates, key] = [join(folder, 'ca.pem'), join(folder, 'ca.key')]
  writeFileSync(certificates, own.pem + root.pem)
  writeFileSync(key, own.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const control = await startTestControl(t, { 'ca-certificates-file': certificates, 'ca-key-file': key })
  await control.apply(workload('web'))
  return control
}

function clientWith(t: Test, control: TestControl, leaf: TestLeaf, root: TestCa): ControlClient {
  const client = connectControl({
    address: parseAddress(control.server.grpcAddress)!,
    bundles: new WatchCell(root.bundles()),
    svid: new WatchCell(credentialsOf(leaf, root.bundles()).svid),
    serverId: CONTROL_ID,
    clock: control.clock,
  })
  t.teardown(() => client.close())
  return client
}

t.test('an SVID of another issuer under the same root is one of the mesh', async (t) => {
  const root = makeTestCa(TRUST_DOMAIN)
  const control = await startUnder(t, root)
  for (const issuer of [root, root.intermediate(), root.intermediate().intermediate()]) {
    const client = clientWith(t, control, issuer.issue(web), root)
    t.match(await client.issueJwtSvid({ audience: ['db'] }), { spiffeId: `spiffe://${TRUST_DOMAIN}${web}` })
    t.match(await client.issueJwtSvid({ audience: ['db'] }), { token: /./ }, 'and on the next call')
  }
})

t.test('one under another root is not, whatever comes with it', async (t) => {
  const root = makeTestCa(TRUST_DOMAIN)
  const control = await startUnder(t, root)
  const forged = makeTestCa(TRUST_DOMAIN)
  const leaf = forged.intermediate().issue(web)
  const cases: readonly TestLeaf[] = [leaf, { ...leaf, chainDer: [...leaf.chainDer, root.der] }]
  for (const each of cases) {
    const both = new Map(root.bundles())
    const client = connectControl({
      address: parseAddress(control.server.grpcAddress)!,
      bundles: new WatchCell(both),
      svid: new WatchCell({
        ...credentialsOf(leaf, forged.bundles()).svid,
        chainPem: each.chainPem,
        chainDer: each.chainDer,
      }),
      serverId: CONTROL_ID,
      clock: control.clock,
    })
    t.teardown(() => client.close())
    await t.rejects(client.issueJwtSvid({ audience: ['db'] }), { code: 'peer-unauthenticated' })
  }
  t.ok(control.lines.some(({ message }) => /client certificate is refused/.test(message)))
})
