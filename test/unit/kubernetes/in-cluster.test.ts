import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { inClusterConnection } from '../../../src/kubernetes/in-cluster.ts'
import { temporaryFolder } from '../../fixtures/control.ts'

t.test('in a pod with a service account, and nowhere else', async (t) => {
  const folder = temporaryFolder(t)
  const env = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '6443' }
  t.equal(inClusterConnection(env, folder), undefined, 'no token is mounted')
  writeFileSync(join(folder, 'token'), 'x')
  t.equal(inClusterConnection({}, folder), undefined, 'no pod')
  t.match(inClusterConnection(env, folder), {
    url: new URL('https://10.96.0.1:6443'),
    tokenFile: join(folder, 'token'),
    caFile: join(folder, 'ca.crt'),
  })
  t.match(inClusterConnection({ ...env, KUBERNETES_SERVICE_HOST: 'fd00::1' }, folder)?.url.host, '[fd00::1]:6443')
  for (const port of ['', '0', '65536', 'x', '-1'])
    t.throws(() => inClusterConnection({ ...env, KUBERNETES_SERVICE_PORT: port }, folder), {
      code: 'kubernetes-unreachable',
    })
})
