import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import t from 'tap'
import { startApp } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, clientTls, policyOf, startTestSidecar, TRUST_DOMAIN, wireTls } from '../../fixtures/sidecar.ts'
import { accepting, jwtOf, makeIssuer } from '../../fixtures/user-tokens.ts'

checkLeaks(t)

t.test('a response that goes on when its token expires is cut, and no other', async (t) => {
  const responses: ServerResponse[] = []
  const app = await startApp(t, (_request, response) => {
    response.write('begin')
    responses.push(response)
  })
  const ca = makeTestCa(TRUST_DOMAIN)
  const clock = new TestClock(Date.now())
  const issuer = makeIssuer('https://id.test', { now: () => clock.now() })
  const sidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    app: app.address,
    clock,
    policy: policyOf({
      policies: [allow('all')],
      authentications: [accepting({ jwt: [jwtOf(issuer, { clockSkewMs: 10_000 })] })],
    }),
  })
  const leaf = ca.issue('/ns/default/sa/web')
  const begin = async (token: string | undefined) => {
    const client = wireTls(t, sidecar.inbound, clientTls(ca, leaf))
    await once(client.socket, 'secureConnect')
    const field = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`
    client.socket.write(`GET / HTTP/1.1\r\nHost: api\r\n${field}\r\n`)
    await client.match(/begin/)
    return client
  }
  const now = Math.floor(clock.now() / 1000)
  const short = await begin(issuer.token({ exp: now + 20 }))
  const long = await begin(issuer.token({ exp: now + 200 }))
  const none = await begin(undefined)
  clock.advance(29_000)
  t.equal(short.socket.destroyed, false, 'the skew counts')
  clock.advance(1000)
  await short.closed
  t.notMatch(short.text, /\r\n0\r\n\r\n$/, 'it does not look complete')
  const record = await sidecar.records.take(({ code }) => code === 'permission-withdrawn')
  t.match(record, { code: 'permission-withdrawn' })
  for (const response of responses) response.end('end')
  await long.match(/end\r\n0\r\n\r\n$/)
  await none.match(/end\r\n0\r\n\r\n$/)
})
