import t from 'tap'
import { NO_BODY, type RequestHead } from '../../../src/http/exchange.ts'
import { grpcStatus, grpcTimeoutMs, isGrpc } from '../../../src/sidecar/grpc.ts'

function head(type: string | undefined, version: RequestHead['version'] = 'HTTP/2'): RequestHead {
  return {
    method: 'POST',
    authority: 'api',
    target: '/a.B/C',
    headers: type === undefined ? [] : ['content-type', type],
    bodyLength: NO_BODY,
    upgrade: undefined,
    acceptsTrailers: true,
    version,
  }
}

t.test('who speaks gRPC', async (t) => {
  for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc;charset=utf-8'])
    t.ok(isGrpc(head(type)), type)
  for (const type of [
    'application/grpc-web',
    'application/grpcx',
    'text/application/grpc',
    'application/json',
    undefined,
  ])
    t.notOk(isGrpc(head(type)), String(type))
  t.notOk(isGrpc(head('application/grpc', 'HTTP/1.1')), 'HTTP/1.1 has no way to answer it')
})

t.test('time-outs, in every unit', async (t) => {
  const inMs: Readonly<Record<string, number | undefined>> = {
    '2H': 7_200_000,
    '3M': 180_000,
    '10S': 10_000,
    '250m': 250,
    '1500u': 1.5,
    '99999999n': 99.999999,
    '99999999H': 359_999_996_400_000,
    '0m': 0,
    '100000000m': undefined,
    '1': undefined,
    '1s': undefined,
    '-1S': undefined,
    '1.5S': undefined,
    ' 1S': undefined,
    '': undefined,
  }
  for (const [text, ms] of Object.entries(inMs)) {
    const found = grpcTimeoutMs(['grpc-timeout', text])
    t.ok(ms === undefined ? found === undefined : Math.abs((found ?? 0) - ms) < 1e-6, `${text}: ${found}`)
  }
  t.equal(grpcTimeoutMs([]), undefined)
})

t.test('the status of a refusal', async (t) => {
  const statuses = {
    400: 3,
    401: 16,
    403: 7,
    404: 12,
    413: 8,
    429: 8,
    431: 8,
    500: 13,
    501: 12,
    502: 14,
    503: 14,
    504: 4,
  }
  for (const [http, grpc] of Object.entries(statuses))
    t.strictSame(grpcStatus(Number(http), 'why'), ['grpc-status', String(grpc), 'grpc-message', 'why'], http)
})

t.test('a message is percent-encoded', async (t) => {
  t.equal(grpcStatus(403, 'a b~%\r\n\u00fc\u{1f511}')[3], 'a b~%25%0D%0A%C3%BC%F0%9F%94%91')
})
