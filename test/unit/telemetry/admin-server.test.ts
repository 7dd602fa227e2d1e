import t from 'tap'
import { json, text } from '../../../src/telemetry/admin-server.ts'
import { serveAdmin } from '../../fixtures/admin.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

t.test('pages by method and path', async (t) => {
  const bodies: string[] = []
  const ask = await serveAdmin(t, {
    'GET /one': () => text('one\n'),
    'PUT /one': ({ body }) => {
      bodies.push(body)
      return json({ body })
    },
    'GET /broken': () => {
      throw new Error('a bug')
    },
  })
  const one = await ask('GET', '/one?x=1')
  t.match(one, { status: 200, body: 'one\n', headers: { 'cache-control': 'no-store' } })
  t.match(await ask('PUT', '/one', { body: 'x' }), { status: 200, headers: { 'content-type': 'application/json' } })
  t.match(await ask('POST', '/one'), { status: 405, body: 'use GET or PUT\n' })
  t.match(await ask('GET', '/none'), { status: 404, body: /GET \/one\nPUT \/one/ })
  t.match(await ask('GET', '//'), { status: 404 })
  t.match(await ask('GET', '/broken'), { status: 500, body: 'a bug\n' })

  const large = await ask('PUT', '/one', { body: 'x'.repeat(1_000_000) })
  t.match(large, { status: 413, headers: { connection: 'close' } })
  t.same(bodies, ['x'])
})

t.test('only names of loopback are answered', async (t) => {
  const ask = await serveAdmin(t, { 'GET /one': () => text('one\n') })
  for (const host of ['localhost', 'localhost:15400', '127.0.0.1', '127.9.9.9:1', '[::1]', '[::1]:15400', 'LOCALHOST'])
    t.equal((await ask('GET', '/one', { headers: { host } })).status, 200, host)
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '10.0.0.1', '[::2]'])
    t.equal((await ask('GET', '/one', { headers: { host } })).status, 403, host)
})
