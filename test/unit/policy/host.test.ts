import * as fc from 'fast-check'
import t from 'tap'
import { isAuthority } from '../../../src/http/syntax.ts'
import { normaliseAuthority } from '../../../src/policy/host.ts'

t.test('one spelling for each authority', async (t) => {
  const cases: readonly [text: string, host: string, authority: string][] = [
    ['api', 'api', 'api'],
    ['api.', 'api', 'api'],
    ['api:80', 'api', 'api'],
    ['api.:80', 'api', 'api'],
    ['api:00080', 'api', 'api'],
    ['api.shop.svc:8080', 'api.shop.svc', 'api.shop.svc:8080'],
    ['api.shop.svc.:08080', 'api.shop.svc', 'api.shop.svc:8080'],
    ['api:443', 'api', 'api:443'],
    ['10.0.0.1', '10.0.0.1', '10.0.0.1'],
    ['10.0.0.1:8080', '10.0.0.1', '10.0.0.1:8080'],
    ['[::1]', '[::1]', '[::1]'],
    ['[0:0:0:0:0:0:0:1]:80', '[::1]', '[::1]'],
    ['[2001:db8::00:1]:8443', '[2001:db8::1]', '[2001:db8::1]:8443'],
    ['[::ffff:10.0.0.1]', '[::ffff:a00:1]', '[::ffff:a00:1]'],
    ['[:::]:81', '[:::]', '[:::]:81'],
  ]
  for (const [text, host, authority] of cases) {
    t.ok(isAuthority(text), `the engine lets ${text} through`)
    t.strictSame(normaliseAuthority(text), { host, authority }, text)
  }
})

t.test('done twice it changes nothing more, and stays what the engine takes', async () => {
  const piece = fc.constantFrom('a', '1', '.', ':', '[', ']', '::', '-', '80', '0', 'f', '_')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const text = pieces.join('')
      if (!isAuthority(text)) return
      const { host, authority } = normaliseAuthority(text)
      const again = normaliseAuthority(authority)
      if (again.host !== host || again.authority !== authority) throw new Error(`${authority} is not normal`)
      if (!isAuthority(authority)) throw new Error(`${authority} is no authority`)
    }),
    { numRuns: 3000 },
  )
})
