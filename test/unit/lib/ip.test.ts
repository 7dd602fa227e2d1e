import t from 'tap'
import { canonicalIp, parseBlock } from '../../../src/lib/ip.ts'

t.test('an address has one form', async (t) => {
  const same: readonly (readonly [text: string, form: string | undefined])[] = [
    ['10.0.0.1', '10.0.0.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8::0001', '2001:db8::1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:0a00:0001', '10.0.0.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['fe80::1%eth0', undefined],
    ['10.0.0.01', undefined],
    ['10.0.0', undefined],
    ['localhost', undefined],
    ['', undefined],
  ]
  for (const [text, form] of same) t.equal(canonicalIp(text), form, text)
})

t.test('a block is an address and the length of its prefix', async (t) => {
  const good: readonly (readonly [text: string, family: 4 | 6, form: string])[] = [
    ['10.0.0.0/8', 4, '10.0.0.0/8'],
    ['10.1.2.3', 4, '10.1.2.3/32'],
    ['0.0.0.0/0', 4, '0.0.0.0/0'],
    ['2001:DB8::/32', 6, '2001:db8::/32'],
    ['::1', 6, '::1/128'],
    ['64:ff9b::192.0.2.0/120', 6, '64:ff9b::c000:200/120'],
  ]
  for (const [text, family, form] of good) t.same(parseBlock(text), { family, text: form }, text)
  const bad: readonly (readonly [text: string, why: RegExp])[] = [
    ['10.0.0.1/8', /bits after its prefix/],
    ['2001:db8::1/64', /bits after its prefix/],
    ['64:ff9b::192.0.2.1/120', /bits after its prefix/],
    ['10.0.0.0/33', /longer than 32/],
    ['::/129', /longer than 128/],
    ['10.0.0.0/08', /neither/],
    ['10.0.0.0/', /neither/],
    ['example.com/8', /neither/],
    ['10.0.0.0/8 -j ACCEPT', /neither/],
    ['10.0.0.0/8\n-A INPUT', /neither/],
  ]
  for (const [text, why] of bad) t.match(parseBlock(text), why)
})
