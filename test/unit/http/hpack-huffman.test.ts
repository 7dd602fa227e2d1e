import * as fc from 'fast-check'
import t from 'tap'
import { huffmanDecode, huffmanDecodedBound, huffmanEncode, huffmanLength } from '../../../src/http/h2/hpack/huffman.ts'

function encoded(text: string): Buffer {
  const out = Buffer.alloc(text.length * 4 + 1)
  return out.subarray(0, huffmanEncode(text, out, 0))
}

/** The text, or undefined for a fault. */
function decoded(code: Buffer): string | undefined {
  const out = Buffer.alloc(huffmanDecodedBound(code.length))
  const count = huffmanDecode(code, 0, code.length, out)
  return count < 0 ? undefined : out.toString('latin1', 0, count)
}

/** Bits, and padding with ones. */
function bits(text: string): Buffer {
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8, '1')
  return Buffer.from((padded.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)))
}

t.test('codes of RFC 7541 appendix B', async (t) => {
  const rows: readonly (readonly [octet: number, code: number, length: number])[] = [
    [0, 0x1ff8, 13],
    [9, 0xffffea, 24],
    [10, 0x3ffffffc, 30],
    [13, 0x3ffffffd, 30],
    [22, 0x3ffffffe, 30],
    [32, 0x14, 6],
    [35, 0xffa, 12],
    [39, 0x7fa, 11],
    [48, 0x0, 5],
    [58, 0x5c, 7],
    [63, 0x3fc, 10],
    [88, 0xfc, 8],
    [92, 0x7fff0, 19],
    [94, 0x3ffc, 14],
    [96, 0x7ffd, 15],
    [127, 0xffffffc, 28],
    [128, 0xfffe6, 20],
    [129, 0x3fffd2, 22],
    [153, 0x1fffdc, 21],
    [192, 0x3ffffe0, 26],
    [199, 0x1ffffec, 25],
    [203, 0x7ffffde, 27],
    [255, 0x3ffffee, 26],
  ]
  for (const [octet, code, length] of rows) {
    t.same(encoded(String.fromCharCode(octet)), bits(code.toString(2).padStart(length, '0')), `octet ${octet}`)
  }
})

t.test('every octet, at every place within an octet', async (t) => {
  for (let octet = 0; octet < 256; octet += 1) {
    // '0' has five bits: eight of them in front go through all the places.
    for (let front = 0; front < 8; front += 1) {
      const text = `${'0'.repeat(front)}${String.fromCharCode(octet)}0`
      const code = encoded(text)
      if (decoded(code) !== text || huffmanLength(text) !== code.length) t.fail(`octet ${octet} after ${front}`)
    }
  }
  t.equal(decoded(Buffer.alloc(0)), '')
})

t.test('texts come back', async () => {
  const texts = fc.oneof(
    fc.string({ maxLength: 200, size: 'max' }),
    fc.uint8Array({ maxLength: 200, size: 'max' }).map((octets) => Buffer.from(octets).toString('latin1')),
  )
  fc.assert(
    fc.property(texts, (text) => {
      const code = encoded(text)
      return code.length === huffmanLength(text) && decoded(code) === text
    }),
    { numRuns: 2000 },
  )
})

t.test('whatever is decoded is the only code of its text', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40, size: 'max' }), (octets) => {
      const code = Buffer.from(octets)
      const text = decoded(code)
      return text === undefined || encoded(text).equals(code)
    }),
    { numRuns: 20_000 },
  )
})

t.test('padding and EOS', async (t) => {
  const zero = '00000'
  t.equal(decoded(bits(zero)), '0')
  t.equal(decoded(bits(`${zero}110`)), undefined, 'padding that is not all ones')
  t.equal(decoded(bits(`${zero}11111111111`)), undefined, 'padding of eleven bits')
  t.equal(decoded(Buffer.from([0xff])), undefined, 'padding of eight bits')
  t.equal(decoded(Buffer.from([0xff, 0xff, 0xff, 0xff])), undefined, 'EOS alone')
  t.equal(decoded(bits(`${zero}${'1'.repeat(30)}${zero}`)), undefined, 'EOS inside')
  const long = encoded('\n')
  t.equal(decoded(long), '\n')
  t.equal(decoded(long.subarray(0, 3)), undefined, 'a long code that is cut')
})
