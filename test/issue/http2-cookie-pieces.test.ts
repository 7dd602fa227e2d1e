import t from 'tap'
import { get } from '../fixtures/h2-frames.ts'
import { http2Path } from '../fixtures/h2-path.ts'
import { nodeApp } from '../fixtures/http.ts'
import { checkLeaks } from '../fixtures/leaks.ts'

checkLeaks(t)

// Found by test/fuzz/http2.test.ts: joined with an empty piece, cookies ended with a space, which the next hop refuses.
t.test('a cookie whose last piece is empty crosses an HTTP/2 hop, and arrives as one valid field', async (t) => {
  const app = await nodeApp(t)
  const far = await http2Path(t, app, { upstream: 'http1' })
  const near = await http2Path(t, far)
  const client = await near.h2Client()
  client.send(get(1, '/', 'cookie', 'a=1', 'cookie', ''), get(3, '/', 'cookie', '', 'cookie', 'b=2', 'cookie', 'c=3'))
  for (const id of [1, 3]) t.equal((await client.message(id)).status, 200)
  t.strictSame([...near.serverFaults, ...far.serverFaults], [])
  const cookies = app.requests.map(({ headers }) => headers[headers.indexOf('cookie') + 1])
  t.strictSame(new Set(cookies), new Set(['a=1', 'b=2; c=3']))
})
