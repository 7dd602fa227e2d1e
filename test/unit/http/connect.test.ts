import t from 'tap'
import { UNKNOWN_LENGTH } from '../../../src/http/exchange.ts'
import { parseRequestHead } from '../../../src/http/h1/head.ts'
import { testLimits as limits } from '../../fixtures/http.ts'

const parse = (line: string, ...fields: readonly string[]): ReturnType<typeof parseRequestHead> =>
  parseRequestHead([line, ...fields, ''].join('\r\n'), { ...limits, connect: 'tunnel' })

t.test('a tunnel is asked for by host and port', async (t) => {
  t.match(parse('CONNECT Orders:80 HTTP/1.1', 'Host: orders:80'), {
    method: 'CONNECT',
    authority: 'orders:80',
    target: '',
    bodyLength: UNKNOWN_LENGTH,
    upgrade: undefined,
  })
  t.match(parse('CONNECT [2001:db8::1]:443 HTTP/1.1', 'Host: [2001:db8::1]:443'), { authority: '[2001:db8::1]:443' })
})

t.test('anything else is refused', async (t) => {
  for (const [fault, line, ...fields] of [
    ['target-malformed', 'CONNECT orders HTTP/1.1', 'Host: orders'],
    ['target-malformed', 'CONNECT / HTTP/1.1', 'Host: orders:80'],
    ['host-mismatch', 'CONNECT http://orders:80 HTTP/1.1', 'Host: orders:80'],
    ['host-mismatch', 'CONNECT orders:80 HTTP/1.1', 'Host: orders:81'],
    ['host-missing', 'CONNECT orders:80 HTTP/1.1'],
    ['upgrade-with-body', 'CONNECT orders:80 HTTP/1.1', 'Host: orders:80', 'Content-Length: 0'],
    ['upgrade-with-body', 'CONNECT orders:80 HTTP/1.1', 'Host: orders:80', 'Transfer-Encoding: chunked'],
    ['method-unsupported', 'connect orders:80 HTTP/1.1', 'Host: orders:80'],
  ] as const) {
    t.equal(parse(line, ...fields), fault, [line, ...fields].join(' | '))
  }
  t.equal(
    parseRequestHead('CONNECT orders:80 HTTP/1.1\r\nHost: orders:80\r\n', limits),
    'method-unsupported',
    'where nobody asked for tunnels',
  )
})
