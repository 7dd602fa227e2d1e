import t from 'tap'
import { parseCapturedPort } from '../../../src/lib/address.ts'

t.test('a captured port says what is spoken there, and to whom', async (t) => {
  const plain = { protocol: 'auto', mode: 'strict', normalise: 'strict' }
  t.same(parseCapturedPort('8080'), { port: 8080, ...plain })
  t.same(parseCapturedPort('tcp://6379'), { port: 6379, ...plain, protocol: 'tcp' })
  t.same(parseCapturedPort('grpc://9090?mode=permissive&normalise=base'), {
    port: 9090,
    protocol: 'grpc',
    mode: 'permissive',
    normalise: 'base',
  })
})

t.test('what is wrong is said', async (t) => {
  const bad: readonly (readonly [text: string, why: RegExp])[] = [
    ['', /no port/],
    ['0', /no port/],
    ['65536', /no port/],
    ['8080=9090', /no port/],
    ['127.0.0.1:8080', /no port/],
    ['udp://53', /protocol "udp" is none of/],
    ['8080?mode=open', /mode "open" is none of/],
    ['8080?port=1', /nothing but mode/],
  ]
  for (const [text, why] of bad) t.match(parseCapturedPort(text), why, text)
})
