import t from 'tap'
import { compileCel, MAX_CEL_DEPTH, MAX_CEL_LENGTH } from '../../../src/policy/cel/compile.ts'
import type { DecisionRequest } from '../../../src/policy/decision.ts'
import { MAX_REGEX_TEXT } from '../../../src/policy/match/regex.ts'
import { Query } from '../../../src/policy/query.ts'
import { requestOf } from './reference.ts'

const full = requestOf({
  path: '/a/b',
  host: 'api.example.org',
  address: '10.0.0.1',
  sni: 'sni.example.org',
  headers: [
    'a',
    '1',
    'b',
    '2',
    'b',
    '3',
    'c',
    '4',
    'c',
    '4',
    'long',
    'x'.repeat(MAX_REGEX_TEXT + 1),
    'fit',
    'x'.repeat(MAX_REGEX_TEXT),
    'big',
    'y'.repeat(50_000),
  ],
  user: {
    tokens: [
      {
        issuer: 'iss',
        subject: 'alice',
        claims: JSON.parse(
          '{"roles":["admin",7],"level":3,"deep":{"ok":true},"constructor":"x","__proto__":{"p":1},"none":null}',
        ),
        expiresAtMs: 2e12,
      },
      { issuer: 'other', subject: undefined, claims: {}, expiresAtMs: 2e12 },
    ],
    apiKey: { id: 'k', owner: 'ci', scopes: ['r', 'w'], expiresAtMs: 2e12 },
  },
  nowMs: Date.parse('2026-05-05T10:00:00Z'),
})
const bare: DecisionRequest = requestOf({})

const value = (text: string, request = full): unknown => compileCel(text)(new Query(request))

t.test('what expressions may speak of', async (t) => {
  for (const text of [
    'request.method == "GET"',
    'request["method"] == "GET"',
    'request.path.startsWith("/a/") && request.host.endsWith(".example.org")',
    'request.port == 8080 && request.port < 9000.5',
    'request.headers["a"] == "1" && request.headers.a == "1"',
    'request.headers.c == "4"',
    'has(request.headers.a) && !has(request.headers.z) && "a" in request.headers',
    'source.id == "spiffe://a.org/ns/shop/sa/api"',
    'source.namespace == "shop" && source.service_account == "api" && source.trust_domain == "a.org"',
    'source.ip == "10.0.0.1"',
    'token.issuer == "iss" && token.subject == "alice"',
    '"admin" in token.claims.roles && 7 in token.claims.roles',
    'token.claims.level >= 3 && token.claims.level == 3',
    'token.claims.deep.ok',
    'token.claims.constructor == "x"',
    'token.claims["__proto__"].p == 1',
    '!has(token.claims.none) && !has(token.claims.toString)',
    'tokens.exists(t, t.issuer == "other") && size(tokens) == 2',
    'api_key.owner == "ci" && api_key.scopes.all(s, s in ["r", "w"])',
    'connection.sni == "sni.example.org"',
    'now > timestamp("2026-01-01T00:00:00Z") && now.getHours("Europe/Berlin") == 12',
    'now < timestamp("2026-05-05T10:00:00.001Z")',
    'request.path.matches("^/a/[a-z]$") && request.path.matches("b")',
    'request.method in ["GET", "HEAD"] ? true : false',
  ])
    t.equal(value(text), true, text)
  t.equal(value('request.method == "PUT"'), false)
})

t.test('what is not there is an error, and an error is unknown', async (t) => {
  for (const text of [
    'request.headers["z"] == "1"',
    'token.issuer == "iss"',
    'api_key.owner == "ci"',
    'connection.sni == "a"',
    'request.host == "a"',
    'now > timestamp("2026-01-01T00:00:00Z")',
    'source.ip == "a"',
    '1 / 0 == 1',
    'request.port + 9223372036854775807 > 0',
    'int("x") == 1',
    'dyn(1)',
  ])
    t.equal(value(text, bare), 'unknown', text)
  t.equal(value('request.headers.b == "2"'), 'unknown', 'a header with two values has none')
  t.equal(value('has(token.claims) || request.method == "GET"', bare), true)
  t.equal(value('has(api_key.owner)', bare), false)
  t.equal(value('token.claims.level'), 'unknown', 'not a bool')
  const anonymous: DecisionRequest = { ...bare, principal: { kind: 'anonymous', why: 'plaintext-port' } }
  t.equal(value('source.id == "a"', anonymous), 'unknown')
  t.equal(value('!has(source.id)', anonymous), true)
})

t.test('what is refused when it is applied', async (t) => {
  const cases: readonly [text: string, code: string, message: RegExp][] = [
    ['request.method ==', 'cel-malformed', /line 1:/],
    ['', 'cel-malformed', /./],
    ['request.methd == "GET"', 'cel-unknown-name', /did you mean method/],
    ['requst.method == "GET"', 'cel-unknown-name', /did you mean request/],
    ['request.method.startWith("G")', 'cel-unknown-name', /did you mean startsWith/],
    ['request["x"] == "a"', 'cel-unknown-name', /"x"/],
    ['constructor == 1', 'cel-unknown-name', /constructor/],
    ['[1].all(x, y > 1)', 'cel-unknown-name', /"y"/],
    ['google.protobuf.Timestamp{seconds: 1} == now', 'cel-unknown-name', /Timestamp/],
    ['request.method', 'cel-type', /string/],
    ['request.method == 5', 'cel-type', /string == int/],
    ['request.port == "80"', 'cel-type', /int == string/],
    ['request.method.size() > "1"', 'cel-type', /int, string/],
    ['!request.method', 'cel-type', /string/],
    ['request.method && true', 'cel-type', /&&/],
    ['request.method ? true : false', 'cel-type', /string/],
    ['request.method.all(c, true)', 'cel-type', /list or a map/],
    ['request.method.foo == 1', 'cel-type', /no field/],
    ['request.path.matches(request.method)', 'cel-type', /stands in the expression/],
    ['request.path.matches("(a")', 'regex-malformed', /missing/],
    ['request.path.matches("(?:a{500}b){2}")', 'regex-too-large', /MAX_REGEX_PROGRAM/],
    [`"${'a'.repeat(MAX_CEL_LENGTH)}" == "a"`, 'cel-too-large', /MAX_CEL_LENGTH/],
    [`${'('.repeat(MAX_CEL_DEPTH + 1)}true${')'.repeat(MAX_CEL_DEPTH + 1)}`, 'cel-too-large', /MAX_CEL_DEPTH/],
    [`${'true&&'.repeat(300)}true`, 'cel-too-large', /MAX_CEL_NODES/],
    [`request${'.a'.repeat(1000)}`, 'cel-too-large', /MAX_CEL_NODES/],
  ]
  for (const [text, code, message] of cases) t.throws(() => compileCel(text), { code, message }, text.slice(0, 60))
})

t.test('what grows without end costs too much, and is unknown', async (t) => {
  const ten = '[1,2,3,4,5,6,7,8,9,10]'
  const nested = (depth: number): string => (depth === 0 ? 'true' : `${ten}.all(v${depth}, ${nested(depth - 1)})`)
  const double = (from: string, step: string): string => `${from}${`.map(x, ${step})`.repeat(18)}`
  const bombs: readonly [name: string, text: string][] = [
    ['loops in loops', nested(6)],
    ['loops in loops, with errors passed over', `${nested(6)} || true`],
    ['lists that double', `${double('[[1]]', 'x + x')}[0].all(y, y == 1)`],
    ['lists that double, compared', `${double('[[1]]', 'x + x')}[0] == [1]`],
    ['lists that share their parts, compared', `${double('[1]', '[x, x]')} == [1]`],
    ['lists that share their parts, searched', `1 in ${double('[1]', '[x, x]')}`],
    ['texts that double', `${double('["aaaaaaaaaaaaaaaa"]', 'x + x')}[0] == "a"`],
    ['a long text in a long text', 'request.headers.big.contains(request.headers.big)'],
    ['an expression on a text that is too long', 'request.headers.long.matches("x")'],
    ['a long text in a loop', `${ten}.all(v, ${ten}.all(w, request.headers.big.size() > 1))`],
  ]
  for (const [name, text] of bombs) t.equal(value(text), 'unknown', name)
  t.equal(value(nested(2)), true, 'a small loop is free to run')
  t.equal(value('request.method == "GET"'), true, 'and the next evaluation begins with a full purse')
  t.equal(
    value('request.headers.fit.matches("^((x+x+)+y)+$")'),
    false,
    'a backtracking engine would not come to an end',
  )
})
