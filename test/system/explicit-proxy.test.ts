// The mesh without any privilege: unmodified programs that are told of a proxy by their environment.
import t, { type Test } from 'tap'
import { formatAddress } from '../../src/lib/address.ts'
import { startApp } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { startServices } from '../fixtures/mesh.ts'
import { type Ended, findProgram, runProgram } from '../fixtures/process.ts'

checkLeaks(t)

const api = await startApp(t)
const raw = await startApp(t)
const { web } = await startServices(t, [
  { name: 'api', appPort: api.address.port },
  { name: 'raw', appPort: raw.address.port, protocol: 'tcp', inbound: { protocol: 'tcp' } },
])
const proxy = `http://${formatAddress(web.outbound)}`

const curl = (
  t: Test,
  args: readonly string[],
  env: Readonly<Record<string, string>> = { http_proxy: proxy },
): Promise<Ended> => runProgram(t, 'curl', ['-sS', '-m', '20', ...args], { env })

t.test('curl with http_proxy', { skip: findProgram('curl') === undefined && 'curl is not installed' }, async (t) => {
  await t.test('a service by its names, by GET, POST and on one connection', async (t) => {
    for (const name of ['api', 'api.default', 'api.default.svc.cluster.local']) {
      const { code, stdout, stderr } = await curl(t, [`http://${name}/items?x=1`])
      t.same([code, stdout], [0, 'ok'], stderr)
    }
    t.equal(api.seen.at(-1)?.target, '/items?x=1', 'in origin form')
    t.match(api.seen.at(-1)?.headers['x-forwarded-client-cert'], /sa\/web/)
    const posted = await curl(t, ['-d', 'body', 'http://api/one', 'http://api/two'])
    t.equal(posted.stdout, 'okok', posted.stderr)
    t.equal(String(api.seen.at(-1)?.body), 'body')
  })

  await t.test('a tunnel to a service that speaks TCP', async (t) => {
    const { code, stdout, stderr } = await curl(t, ['-p', 'http://raw:80/opaque', 'http://raw:80/again'])
    t.same([code, stdout], [0, 'okok'], stderr)
    t.same(
      raw.seen.map(({ target }) => target),
      ['/opaque', '/again'],
    )
    t.equal(raw.seen[0]?.headers['x-forwarded-client-cert'], undefined, 'what nobody has read nobody has changed')
  })

  await t.test('what is refused says why', async (t) => {
    const unknown = await curl(t, ['http://nobody.example/'])
    t.match(unknown.stdout, /service-unknown/)
    for (const [to, status] of [
      ['http://api/', '501'],
      ['http://nobody.example:80/', '404'],
    ] as const) {
      const { code, stderr } = await curl(t, ['-p', to])
      t.not(code, 0)
      t.match(stderr, status)
    }
  })
})

t.test('a tunnel is asked for as the standard says, or not given', async (t) => {
  const { connect } = await import('node:net')
  const { text } = await import('node:stream/consumers')
  const ask = async (head: string): Promise<string> => {
    const socket = connect(web.outbound)
    socket.write(head)
    const answer = await text(socket)
    return answer.split('\r\n')[0] ?? ''
  }
  t.match(await ask('CONNECT raw:80 HTTP/1.1\r\nHost: other:80\r\n\r\n'), / 400 /, 'two hosts')
  t.match(await ask('CONNECT raw HTTP/1.1\r\nHost: raw\r\n\r\n'), / 400 /, 'no port')
  t.match(await ask('CONNECT /raw:80 HTTP/1.1\r\nHost: raw:80\r\n\r\n'), / 400 /, 'a path')
  t.match(await ask('CONNECT raw:80 HTTP/1.1\r\nHost: raw:80\r\nContent-Length: 4\r\n\r\nabcd'), / 400 /, 'content')
  t.match(
    await ask('CONNECT raw:80 HTTP/1.1\r\nHost: raw:80\r\nTransfer-Encoding: chunked\r\n\r\n'),
    / 400 /,
    'content',
  )
  const early = await ask(
    'CONNECT raw:80 HTTP/1.1\r\nHost: raw:80\r\n\r\nGET /early HTTP/1.1\r\nHost: raw\r\nConnection: close\r\n\r\n',
  )
  t.match(early, / 200 /, 'bytes that come with the head are the first of the tunnel')
  t.equal(raw.seen.at(-1)?.target, '/early')
})
