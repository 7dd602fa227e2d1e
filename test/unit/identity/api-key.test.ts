import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import {
  formatApiKey,
  hashApiKeySecret,
  MAX_API_KEY_LENGTH,
  newApiKey,
  parseApiKey,
} from '../../../src/identity/api-key.ts'

const secret = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7))
const id = 'orders0001'

t.test('a key is read as it was written', async (t) => {
  const text = formatApiKey({ id, secret })
  t.match(text, /^ork_orders0001_[\w-]{43}[0-9a-f]{8}$/)
  t.same(parseApiKey(text), { id, secret })
  const longest = formatApiKey({ id: 'a'.repeat(32), secret })
  t.equal(longest.length, MAX_API_KEY_LENGTH)
  t.ok(parseApiKey(longest))
})

t.test('one wrong character anywhere is seen without asking anybody', async (t) => {
  const text = formatApiKey({ id, secret })
  const taken = text.split('').filter((character, index) => {
    const other = character === 'a' ? 'b' : 'a'
    return parseApiKey(text.slice(0, index) + other + text.slice(index + 1)) !== undefined
  })
  t.same(taken, [])
})

t.test('other texts are no keys', async (t) => {
  const text = formatApiKey({ id, secret })
  const body = text.slice(0, -8)
  const checksum = (changed: string): string => createHash('sha256').update(changed).digest('hex').slice(0, 8)
  // The last character of 43 has two bits that decode to nothing: four spellings of one secret, of which one is good.
  const last = body.at(-1)!
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const respelled = body.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1]!
  const vectors: Readonly<Record<string, string>> = {
    'nothing at all': '',
    'another prefix': text.replace('ork_', 'orc_'),
    'upper case in the ID': formatApiKey({ id: 'Orders0001', secret }),
    'an ID that is too short': formatApiKey({ id: 'orders1', secret }),
    'an ID that is too long': formatApiKey({ id: 'a'.repeat(33), secret }),
    'a shorter secret': formatApiKey({ id, secret: secret.subarray(1) }),
    'a longer secret': formatApiKey({ id, secret: Buffer.concat([secret, secret]) }),
    'another spelling of the secret, with its own checksum': respelled + checksum(respelled),
    'a space behind it': `${text} `,
    'a line feed behind it': `${text}\n`,
    'twice the same': text + text,
  }
  for (const [name, vector] of Object.entries(vectors)) t.equal(parseApiKey(vector), undefined, name)
})

t.test('a new key is that of its hash, and no two are alike', async (t) => {
  const made = Array.from({ length: 100 }, () => newApiKey(randomBytes))
  for (const field of ['text', 'id', 'salt', 'hash'] as const) t.equal(new Set(made.map((key) => key[field])).size, 100)
  const { text, salt, hash } = made[0]!
  const parts = parseApiKey(text)!
  t.equal(hashApiKeySecret(Buffer.from(salt, 'base64url'), parts.secret).toString('hex'), hash)
  const salted = Buffer.concat([Buffer.from(salt, 'base64url'), parts.secret])
  t.equal(createHash('sha256').update(salted).digest('hex'), hash, 'SHA-256 of salt and secret')
})
