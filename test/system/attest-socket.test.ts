import { generateKeyPairSync, hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import grpc from '@grpc/grpc-js'
import t from 'tap'
import { buildCsr } from '../../src/identity/csr.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { fromServiceError } from '../../src/rpc/errors.ts'
import { protocols } from '../../src/rpc/load.ts'
import type { IssuedSvid__Output } from '../../src/wire/outrider/identity/v1/IssuedSvid.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { idOf, resource, startMesh } from '../fixtures/mesh.ts'
import { temporaryFolder } from '../fixtures/process.ts'

checkLeaks(t)

t.test('the kernel says who attests on the socket', async (t) => {
  const path = join(temporaryFolder(t), 'attest.sock')
  const mesh = await startMesh(t, ['--attest-socket', path])
  const uid = process.getuid?.() ?? 0
  const digest = hash('sha256', readFileSync(process.execPath), 'hex')
  const selectors = [`unix:uid:${uid}`, `unix:gid:${process.getgid?.() ?? 0}`, `unix:path:${process.execPath}`]
  await mesh.apply(
    [
      resource('Workload', 'web', { spiffeId: idOf('web'), selectors: [...selectors, `unix:sha256:${digest}`] }),
      resource('Workload', 'orders', { spiffeId: idOf('orders'), selectors: [`unix:uid:${uid + 1}`] }),
      resource('Workload', 'other', { spiffeId: idOf('other'), selectors: [`unix:sha256:${'0'.repeat(64)}`] }),
    ].join('\n---\n'),
  )
  const client = new (protocols().identity.IdentityService)(`unix:${path}`, grpc.credentials.createInsecure())
  t.teardown(() => client.close())
  const attest = async (workload: string): Promise<IssuedSvid__Output> => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const csr = buildCsr(privateKey, parseSpiffeId(idOf(workload)))
    return new Promise((resolve, reject) => {
      client.attest({ unixPeer: {}, csr }, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer)
        else reject(fromServiceError(error, path))
      })
    })
  }
  t.match(await attest('web'), { spiffeId: idOf('web') })
  await t.rejects(attest('orders'), { code: 'identity-not-allowed' }, 'another user')
  await t.rejects(attest('other'), { code: 'identity-not-allowed' }, 'another program')
  const audit = readFileSync(join(mesh.data, 'audit.log'), 'utf8')
  t.match(audit, `"source":"unix:${uid}/${digest.slice(0, 16)}","address":"unix:${uid}"`)
})
