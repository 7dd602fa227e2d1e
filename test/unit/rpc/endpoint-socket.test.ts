import t from 'tap'
import { parseEndpointSocket } from '../../../src/rpc/endpoint-socket.ts'

t.test('what SPIFFE_ENDPOINT_SOCKET may say', async (t) => {
  t.equal(parseEndpointSocket('unix:///run/spire/agent.sock'), 'unix:/run/spire/agent.sock')
  t.equal(parseEndpointSocket('unix:/run/spire/agent.sock'), 'unix:/run/spire/agent.sock')
  t.equal(parseEndpointSocket('unix:///run/a%20b.sock'), 'unix:/run/a b.sock')
  t.equal(parseEndpointSocket('tcp://127.0.0.1:8000'), '127.0.0.1:8000')
  t.equal(parseEndpointSocket('tcp://[::1]:8000'), '[::1]:8000')
})

for (const text of [
  '',
  '/run/agent.sock',
  'unix://',
  'unix:///',
  'unix://host/run/agent.sock',
  'unix:///run/agent.sock?x=1',
  'unix:///run/agent.sock#x',
  'unix:///run/%zz',
  'unix:///run/%00',
  'tcp://localhost:8000',
  'tcp://127.0.0.1',
  'tcp://127.0.0.1:8000/foo',
  'tcp://user@127.0.0.1:8000',
  'http://127.0.0.1:8000',
]) {
  t.test(`refused: ${JSON.stringify(text)}`, async (t) => {
    t.throws(() => parseEndpointSocket(text), { code: 'endpoint-socket-malformed' })
  })
}
