import t from 'tap'
import { parseAccessLine } from '../../../src/telemetry/access-log-line.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, idOf, send, startHop } from '../../fixtures/sidecar.ts'

checkLeaks(t)

t.test('a line of the access log says what its policy was asked, and can be asked again', async (t) => {
  const { web, api, app } = await startHop(t, {
    policy: { policies: [allow('readers', { name: 'read', to: [{ methods: ['GET'] }] })] },
    api: { config: { accessLogHeaders: 'x-team,x-none' } },
  })
  await send(web.outbound, { path: '/a/../items?secret=1', headers: { 'x-team': 'a', authorization: 'Bearer secret' } })
  const allowed = await api.records.take()
  await send(web.outbound, { method: 'POST', path: '/items', body: 'x' })
  const denied = await api.records.take()

  for (const [record, decided] of [
    [allowed, 'allow'],
    [denied, 'deny'],
  ] as const) {
    const text = JSON.stringify(record)
    t.notMatch(text, 'secret')
    const line = parseAccessLine(text)
    if (line.kind !== 'decided') throw new Error(`${line.kind}: ${text}`)
    t.match(line.request, {
      workload: idOf('api'),
      decided,
      request: {
        principal: { kind: 'peer', id: idOf('web') },
        path: '/items',
        port: app.address.port,
        host: 'api',
        address: '127.0.0.1',
        user: { tokens: [], apiKey: undefined },
        headers: decided === 'allow' ? ['x-team', 'a'] : [],
      },
    })
    t.same(
      line.request.unrecorded,
      { host: false, address: false, sni: false, user: false, claims: false, headers: new Set(['x-team', 'x-none']) },
      'everything that rules may ask for, but for other headers',
    )
    t.equal(line.request.request.method, decided === 'allow' ? 'GET' : 'POST')
    t.ok(Math.abs((line.request.request.nowMs ?? 0) - Date.parse(String(record['time']))) < 1)
  }

  await send(web.outbound, { path: '/a%2fb' })
  const refused = parseAccessLine(JSON.stringify(await api.records.take()))
  t.match(refused, { kind: 'other', why: 'not-decided' }, 'it was refused before a policy was asked')
})

t.test('the sidecar of the caller asks no policy and says so', async (t) => {
  const { web } = await startHop(t)
  await send(web.outbound)
  const line = parseAccessLine(JSON.stringify(await web.records.take()))
  t.match(line, { kind: 'other', why: 'outbound' })
})
