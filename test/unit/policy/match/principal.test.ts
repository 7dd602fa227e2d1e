import t from 'tap'
import { matchesPrincipal, parseRequestPrincipal, principalsOf } from '../../../../src/policy/match/principal.ts'

const matches = (text: string, issuer: string, subject: string): boolean =>
  matchesPrincipal(principalsOf([parseRequestPrincipal(text)]), issuer, subject)

t.test('issuer and subject', async (t) => {
  t.ok(matches('https://id.example/alice', 'https://id.example', 'alice'))
  t.notOk(matches('https://id.example/alice', 'https://id.example', 'bob'))
  t.notOk(matches('https://id.example/alice', 'https://id.example', 'alice2'))
  t.ok(matches('https://id.example/*', 'https://id.example', 'bob'))
  t.notOk(matches('https://id.example/*', 'https://id.example/realm', 'bob'), 'another issuer, which begins with it')
  t.notOk(matches('https://id.example/*', 'https://id.example.evil', 'bob'))
  t.ok(matches('*', 'x', 'y'))
})

t.test('what is not a principal', async (t) => {
  for (const text of ['', 'alice', '/alice', 'https:', 'issuer/', '*/alice', 'a*', 'a/b*', '/*', 'a/*/b', '**', 'a//*'])
    t.throws(() => parseRequestPrincipal(text), { code: 'request-principal-malformed' }, JSON.stringify(text))
})
