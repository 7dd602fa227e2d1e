import * as fc from 'fast-check'
import t from 'tap'
import {
  bitString,
  boolean,
  contextConstructed,
  decode,
  dotted,
  encode,
  Fields,
  malformed,
  oid,
  relabel,
  sequence,
  tags,
  unsigned,
} from '../../../src/identity/asn1.ts'
import { OutriderError } from '../../../src/lib/errors.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

t.test('one element and what is inside', async (t) => {
  const der = sequence(boolean(true), encode(contextConstructed(0), oid('551d0f')), bitString(Buffer.of(0x80), 7))
  const element = decode(der, 100)
  t.equal(element.tag, tags.sequence)
  t.same(element.der, der)
  t.same(
    element.children.map((child) => child.tag),
    [tags.boolean, 0xa0, tags.bitString],
  )
  t.same(element.children[1]?.children[0]?.der, oid('551d0f'))
  t.equal(dotted(hex('551d0f')), '2.5.29.15')
})

t.test('the input is copied: its owner may change it later', async (t) => {
  const der = sequence(boolean(true))
  const element = decode(der, 100)
  der.fill(0)
  t.same(element.der, hex('3003 0101ff'))
})

t.test('lengths of one, two and three octets', async (t) => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
    const element = decode(sequence(encode(tags.octetString, Buffer.alloc(length, 7))), 100_000)
    t.equal(element.children[0]?.content.length, length)
  }
})

const refused: readonly (readonly [string, string, string])[] = [
  ['der-malformed', 'nothing', ''],
  ['der-malformed', 'a tag alone', '30'],
  ['der-malformed', 'a length that is too long', '3003 0101'],
  ['der-malformed', 'a byte too many', '3000 00'],
  ['der-malformed', 'a child longer than its parent', '3003 0402 0000'],
  ['der-malformed', 'a length of five octets', '3085 0000000000'],
  ['der-malformed', 'a length of four octets, negative', '3084 ffffffff'],
  ['der-malformed', 'a boolean of two bytes', '0102 ffff'],
  ['der-malformed', 'an empty integer', '0200'],
  ['der-malformed', 'a null with content', '0501 00'],
  ['der-malformed', 'a bit string without a first byte', '0300'],
  ['der-malformed', 'eight unused bits', '0302 0800'],
  ['der-malformed', 'unused bits of nothing', '0301 01'],
  ['der-malformed', 'an empty object identifier', '0600'],
  ['der-malformed', 'a truncated object identifier', '0602 5581'],
  ['der-malformed', 'a tag number above 30', '1f00'],
  ['der-malformed', 'an indefinite length of a primitive', '0480 0000'],
  ['der-not-canonical', 'an indefinite length', '3080 0000'],
  ['der-not-canonical', 'a long length that is short', '308102 0500'],
  ['der-not-canonical', 'a length with a leading zero', '30820002 0500'],
  ['der-not-canonical', 'an integer with leading zeros', '0202 0001'],
  ['der-not-canonical', 'an integer with leading ones', '0202 ffff'],
  ['der-not-canonical', 'a boolean of 01', '0101 01'],
  ['der-not-canonical', 'bits in the padding', '0302 07ff'],
  ['der-not-canonical', 'an object identifier with padding', '0603 558001'],
  ['der-not-canonical', 'a constructed octet string', '2402 0400'],
  ['der-not-canonical', 'a primitive sequence', '1000'],
  ['der-not-canonical', 'a set out of order', '3106 020102 020101'],
]

t.test('what is not DER', async (t) => {
  for (const [code, name, bytes] of refused) t.throws(() => decode(hex(bytes), 1000), { code }, name)
  t.throws(() => decode(Buffer.alloc(11), 10), {
    code: 'der-too-large',
    message: 'has 11 bytes, at most 10 are allowed',
  })
  let deep = boolean(true)
  for (let level = 0; level < 20; level += 1) deep = sequence(deep)
  t.throws(() => decode(deep, 1000), { code: 'der-malformed' }, 'deeper than anything here')
})

t.test('what is decoded encodes to the same bytes, whatever the input', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        return decode(bytes, 40).der.equals(bytes)
      } catch (thrown) {
        return thrown instanceof OutriderError && thrown.code.startsWith('der-')
      }
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('integers', async (t) => {
  t.same(unsigned(Buffer.of(0)), hex('020100'))
  t.same(unsigned(Buffer.of(0x7f)), hex('02017f'))
  t.same(unsigned(Buffer.of(0x80)), hex('02020080'))
  t.same(unsigned(Buffer.of(0, 0, 1)), hex('020101'))
  t.same(unsigned(Buffer.alloc(0)), hex('020100'))
})

t.test('fields are taken in order and completely', async (t) => {
  const element = decode(sequence(boolean(true), oid('551d0f')), 100)
  const fields = new Fields(element, tags.sequence, 'test')
  t.equal(fields.optional(tags.integer), undefined)
  t.equal(fields.take(tags.boolean, 'a flag').content[0], 0xff)
  t.throws(() => fields.end(), { code: 'der-malformed' })
  t.throws(() => fields.take(tags.boolean, 'a flag'), { message: 'has a test without a flag' })
  t.equal(fields.any('an identifier').tag, tags.oid)
  t.notOk(fields.more)
  fields.end()
  t.throws(() => fields.any('more'), { code: 'der-malformed' })
  t.throws(() => new Fields(element, tags.set, 'test'), { code: 'der-malformed' })
})

t.test('errors in the words of the caller', async (t) => {
  const codes = { 'der-too-large': 'a', 'der-malformed': 'b', 'der-not-canonical': 'c' }
  t.match(relabel(malformed('is broken'), codes), { code: 'b', message: 'is broken' })
  const other = new Error('other')
  t.equal(relabel(other, codes), other)
})
