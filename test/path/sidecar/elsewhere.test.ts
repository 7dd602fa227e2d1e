// What the callee's application cannot have seen goes to another endpoint; all else is answered once.
import { request } from 'node:https'
import t, { type Test } from 'tap'
import { startApp } from '../../fixtures/app.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  clientTls,
  exchange,
  policyOf,
  send,
  service,
  startHop,
  startTestSidecar,
  type Hop,
  type TestSidecar,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

/** A second endpoint of `api`, whose application does not listen: the first that is asked, until it has failed. */
async function withDeadSecond(t: Test, hop: Hop): Promise<TestSidecar> {
  const gone = await startApp(t)
  await gone.close()
  const { ca, web, api, app } = hop
  const policy = policyOf({ policies: [allow('all')] })
  const dead = await startTestSidecar(t, { ca, id: '/ns/default/sa/api', policy, app: gone.address })
  web.policy.set(
    policyOf({ workload: 'web', services: [service('api', app.address.port, [dead.inbound, api.inbound])] }),
  )
  return dead
}

const unprocessed = 'x-outrider-unprocessed'
const refusal = 'x-outrider-refusal'

t.test('an endpoint whose application cannot be reached is passed over', async (t) => {
  const hop = await startHop(t)
  const dead = await withDeadSecond(t, hop)
  for (let round = 0; round < 20; round += 1) {
    const { status, headers } = await send(hop.web.outbound, { method: round % 2 === 0 ? 'GET' : 'POST' })
    t.equal(status, 200)
    t.notOk(headers[unprocessed])
  }
  const asked = await dead.metric('outrider_requests_total', { refusal: 'upstream-unreachable' })
  t.equal(
    asked,
    await hop.web.metric('outrider_upstream_requests_retried_total'),
    'each that came there was sent again',
  )
  t.ok(asked <= 1, `${asked} came there: it is avoided for a while`)
  t.equal(hop.app.seen.length, 20, 'the application saw each request once')
})

t.test('one with a body is not kept to be sent again, and its client hears that it can be', async (t) => {
  const { web, api, app } = await startHop(t)
  await app.close()
  const refused = await send(web.outbound, { method: 'POST', body: 'x' })
  t.equal(refused.status, 503)
  t.equal(refused.headers[refusal], 'upstream-unreachable')
  t.equal(refused.headers[unprocessed], 'true')
  t.equal(await web.metric('outrider_upstream_requests_retried_total'), 0)
  t.equal(await api.metric('outrider_requests_total', { refusal: 'upstream-unreachable' }), 1)
})

t.test('where there is no other endpoint the refusal is the same, and tried once', async (t) => {
  const { web, api, app } = await startHop(t)
  await app.close()
  const refused = await send(web.outbound)
  t.equal(refused.status, 503)
  t.equal(refused.headers[refusal], 'upstream-unreachable')
  t.equal(await api.metric('outrider_requests_total', { refusal: 'upstream-unreachable' }), 1)
  t.equal(web.runtime.load.inFlight, 0)
  t.equal(api.runtime.load.inFlight, 0)
})

t.test('an application cannot say it: its answer goes on, and no other is asked', async (t) => {
  const hop = await startHop(t, {
    answer: (_request, response) => {
      response.writeHead(503, { [unprocessed]: 'true', 'retry-after': '1' })
      response.end('its own words')
    },
  })
  const { web, api, app } = hop
  web.policy.set(
    policyOf({ workload: 'web', services: [service('api', app.address.port, [api.inbound, api.inbound])] }),
  )
  const answer = await send(web.outbound)
  t.match(answer, { status: 503, text: 'its own words', headers: { 'retry-after': '1' } })
  t.notOk(answer.headers[unprocessed])
  t.equal(app.seen.length, 1)
  t.equal(await web.metric('outrider_upstream_requests_retried_total'), 0)
})

t.test('whoever has no identity is not told', async (t) => {
  const { ca, api, app } = await startHop(t, { api: { inbound: { mode: 'permissive' } } })
  await app.close()
  const plain = await send(api.inbound)
  t.match(plain, { status: 503, text: '' })
  t.notOk(plain.headers[unprocessed])
  const peer = await exchange(request, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  t.equal(peer.headers[unprocessed], 'true', 'a peer is')
})
