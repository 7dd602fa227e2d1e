import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  namespaceOf,
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  spiffeIdErrorCodes,
  spiffeIdOf,
  trustDomainOf,
} from '../../../src/identity/spiffe-id.ts'

function vectors(name: string): string[] {
  return readFileSync(new URL(`../../vectors/${name}`, import.meta.url), 'utf8')
    .split('\n')
    .slice(0, -1)
}

function accepts(text: string): boolean {
  try {
    parseSpiffeId(text)
    return true
  } catch {
    return false
  }
}

t.test('valid IDs', async (t) => {
  for (const text of vectors('spiffe-id-valid.txt')) t.equal(parseSpiffeId(text), text)
})

t.test('every rule refuses with its own code', async (t) => {
  const seen = new Set<string>()
  for (const line of vectors('spiffe-id-invalid.txt')) {
    const space = line.indexOf(' ')
    const code = line.slice(0, space)
    seen.add(code)
    t.throws(() => parseSpiffeId(line.slice(space + 1)), { code }, line)
  }
  seen.add('spiffe-id-too-long').add('spiffe-id-trust-domain-too-long')
  t.same([...seen].toSorted(), spiffeIdErrorCodes.toSorted(), 'there is a vector for every code')
})

t.test('each of the 256 characters, in the trust domain and in the path', async (t) => {
  const all = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))
  const trustDomain = all.filter((character) => accepts(`spiffe://a${character}b/c`)).join('')
  const path = all.filter((character) => accepts(`spiffe://td/a${character}b`)).join('')
  // A slash ends the trust domain.
  t.equal(trustDomain, '-./0123456789_abcdefghijklmnopqrstuvwxyz')
  t.equal(path, '-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz')
})

t.test('lengths', async (t) => {
  const longest = `spiffe://td/${'a'.repeat(2048 - 12)}`
  t.equal(parseSpiffeId(longest).length, 2048)
  t.throws(() => parseSpiffeId(`${longest}a`), { code: 'spiffe-id-too-long' })
  t.equal(parseTrustDomain('a'.repeat(255)).length, 255)
  t.throws(() => parseTrustDomain('a'.repeat(256)), { code: 'spiffe-id-trust-domain-too-long' })
})

t.test('parts', async (t) => {
  const id = parseSpiffeId('spiffe://example.org/ns/shop/sa/web')
  t.equal(trustDomainOf(id), 'example.org')
  t.equal(pathOf(id), '/ns/shop/sa/web')
  t.equal(namespaceOf(id), 'shop')
  t.equal(spiffeIdOf(trustDomainOf(id), pathOf(id)), id)

  const root = parseSpiffeId('spiffe://example.org')
  t.equal(trustDomainOf(root), 'example.org')
  t.equal(pathOf(root), '')
  t.equal(namespaceOf(root), undefined)
  for (const path of ['/ns', '/ns/shop', '/a/ns/shop/x', '/nsx/shop/x'])
    t.equal(namespaceOf(spiffeIdOf(trustDomainOf(id), path)), undefined, path)
})

t.test('a path cannot move an ID to another trust domain', async (t) => {
  const domain = parseTrustDomain('example.org')
  t.throws(() => spiffeIdOf(domain, '.evil.org/x'), { code: 'spiffe-id-path-character' })
  t.throws(() => spiffeIdOf(domain, 'x'), { code: 'spiffe-id-path-character' })
})

t.test('a message quotes neither control characters nor endless text', async (t) => {
  t.throws(() => parseSpiffeId(`spiffe://td/\n\u001b[2J${'x'.repeat(1000)}`), {
    message: /^[ -~]{1,250}$/,
  })
})
