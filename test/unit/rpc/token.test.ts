import { randomBytes } from 'node:crypto'
import t from 'tap'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { formatJoinToken, parseJoinToken } from '../../../src/rpc/token.ts'

const token = {
  spiffeId: parseSpiffeId('spiffe://test.local/ns/default/sa/web'),
  secret: randomBytes(32).toString('base64url'),
  rootFingerprint: randomBytes(32).toString('hex'),
}

t.test('a token survives its text, and blanks around it', async (t) => {
  const text = formatJoinToken(token)
  t.match(text, /^ort1\./)
  t.same(parseJoinToken(text), token)
  t.same(parseJoinToken(`  ${text}\n`), token)
})

t.test('what is no token is refused without being repeated', async (t) => {
  const text = formatJoinToken(token)
  const [prefix = '', id = '', secret = '', pin = ''] = text.split('.')
  const noId = Buffer.from('https://test.local/').toString('base64url')
  const broken: readonly string[] = [
    '',
    'ort1',
    text.slice(0, -1),
    `${text}A`,
    [prefix, id, secret].join('.'),
    ['ort2', id, secret, pin].join('.'),
    [prefix, id, secret.slice(1), pin].join('.'),
    [prefix, noId, secret, pin].join('.'),
    // 43 characters hold 258 bits: the last two must be zero.
    [prefix, id, `${secret.slice(0, -1)}B`, pin].join('.'),
    [prefix, id, secret, `${pin.slice(0, -1)}_`].join('.'),
    [prefix, `${id}=`, secret, pin].join('.'),
    [prefix, Buffer.from(`spiffe://test.local/${'a'.repeat(3000)}`).toString('base64url'), secret, pin].join('.'),
  ]
  for (const candidate of broken) {
    t.throws(() => parseJoinToken(candidate), { code: 'token-malformed' }, candidate.slice(0, 30))
    try {
      parseJoinToken(candidate)
    } catch (error) {
      t.notMatch(String(error), new RegExp(secret.slice(2, 20)))
    }
  }
})
