import t from 'tap'
import { takeWebsocketAccept, websocketAccept, websocketKey } from '../../../src/http/websocket.ts'

t.test('the example of RFC 6455 section 1.3', async (t) => {
  t.equal(websocketAccept('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

t.test('a key is 16 random bytes', async (t) => {
  t.equal(
    websocketKey((bytes) => '61'.repeat(bytes)),
    Buffer.from('a'.repeat(16)).toString('base64'),
  )
})

t.test('an accept counts once, with its value', async (t) => {
  const key = 'dGhlIHNhbXBsZSBub25jZQ=='
  const accept = ['sec-websocket-accept', websocketAccept(key)]
  t.strictSame(takeWebsocketAccept(['a', '1', ...accept, 'b', 'sec-websocket-accept'], key), [
    'a',
    '1',
    'b',
    'sec-websocket-accept',
  ])
  t.equal(takeWebsocketAccept([...accept, ...accept], key), undefined)
  t.equal(takeWebsocketAccept(accept, `${key} `), undefined)
  t.equal(takeWebsocketAccept(['a', 'sec-websocket-accept'], key), undefined)
})
