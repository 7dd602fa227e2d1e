import t from 'tap'
import { HpackDecoder, type HpackFault } from '../../../src/http/h2/hpack/decoder.ts'

/** Decodes hexadecimal blocks in turn; spaces are for the reader. */
function read(decoder: HpackDecoder, hex: string, maxListBytes = 65_536, maxFields = 100): string[] | HpackFault {
  const block = Buffer.from(`ffff${hex.replaceAll(' ', '')}ffff`, 'hex')
  const out: string[] = []
  return decoder.decode(block, 2, block.length - 2, out, maxListBytes, maxFields) ?? out
}

/** The dynamic table, newest first. */
function entries(decoder: HpackDecoder): string[] {
  const found: string[] = []
  for (let index = 62; ; index += 1) {
    const field = read(decoder, (0x80 | index).toString(16))
    if (!Array.isArray(field)) return found
    found.push(field.join(': '))
  }
}

function plain(text: string): string {
  return `${text.length.toString(16).padStart(2, '0')}${Buffer.from(text, 'latin1').toString('hex')}`
}

const authority = [':authority', 'www.example.com']
const request = [':method', 'GET', ':scheme', 'http', ':path', '/', ...authority]
const date21 = 'Mon, 21 Oct 2013 20:13:21 GMT'
const date22 = 'Mon, 21 Oct 2013 20:13:22 GMT'
const location = ['location', 'https://www.example.com']
const cookie = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'

interface Example {
  readonly name: string
  readonly tableSize: number
  readonly blocks: readonly {
    readonly hex: string
    readonly fields: readonly string[]
    readonly table: readonly string[]
  }[]
}

const requestBlocks = [
  { fields: request, table: [':authority: www.example.com'] },
  {
    fields: [...request, 'cache-control', 'no-cache'],
    table: ['cache-control: no-cache', ':authority: www.example.com'],
  },
  {
    fields: [':method', 'GET', ':scheme', 'https', ':path', '/index.html', ...authority, 'custom-key', 'custom-value'],
    table: ['custom-key: custom-value', 'cache-control: no-cache', ':authority: www.example.com'],
  },
]

const responseBlocks = [
  {
    fields: [':status', '302', 'cache-control', 'private', 'date', date21, ...location],
    table: [location.join(': '), `date: ${date21}`, 'cache-control: private', ':status: 302'],
  },
  {
    fields: [':status', '307', 'cache-control', 'private', 'date', date21, ...location],
    table: [':status: 307', location.join(': '), `date: ${date21}`, 'cache-control: private'],
  },
  {
    fields: [
      ':status: 200',
      'cache-control: private',
      `date: ${date22}`,
      location.join(': '),
      'content-encoding: gzip',
      `set-cookie: ${cookie}`,
    ].flatMap((field) => field.split(/(?<=.): /)),
    table: [`set-cookie: ${cookie}`, 'content-encoding: gzip', `date: ${date22}`],
  },
]

function withHex(
  blocks: readonly { readonly fields: readonly string[]; readonly table: readonly string[] }[],
  hex: readonly string[],
): Example['blocks'] {
  return blocks.map((block, index) => ({ ...block, hex: hex[index] ?? '' }))
}

const examples: readonly Example[] = [
  {
    name: 'C.2.1 literal with indexing',
    tableSize: 4096,
    blocks: [
      {
        hex: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
        fields: ['custom-key', 'custom-header'],
        table: ['custom-key: custom-header'],
      },
    ],
  },
  {
    name: 'C.2.2 literal without indexing',
    tableSize: 4096,
    blocks: [{ hex: '040c 2f73 616d 706c 652f 7061 7468', fields: [':path', '/sample/path'], table: [] }],
  },
  {
    name: 'C.2.3 literal never indexed',
    tableSize: 4096,
    blocks: [{ hex: '1008 7061 7373 776f 7264 0673 6563 7265 74', fields: ['password', 'secret'], table: [] }],
  },
  { name: 'C.2.4 indexed', tableSize: 4096, blocks: [{ hex: '82', fields: [':method', 'GET'], table: [] }] },
  {
    name: 'C.3 requests',
    tableSize: 4096,
    blocks: withHex(requestBlocks, [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ]),
  },
  {
    name: 'C.4 requests in Huffman code',
    tableSize: 4096,
    blocks: withHex(requestBlocks, [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ]),
  },
  {
    name: 'C.5 responses, with eviction',
    tableSize: 256,
    blocks: withHex(responseBlocks, [
      '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '4803 3330 37c1 c0bf',
      '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
    ]),
  },
  {
    name: 'C.6 responses in Huffman code, with eviction',
    tableSize: 256,
    blocks: withHex(responseBlocks, [
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ]),
  },
]

t.test('the examples of RFC 7541 appendix C', async (t) => {
  for (const { name, tableSize, blocks } of examples) {
    const decoder = new HpackDecoder(tableSize)
    for (const { hex, fields, table } of blocks) {
      t.same(read(decoder, hex), fields, name)
      t.same(entries(decoder), table, `${name}: the table`)
    }
  }
})

t.test('integers', async (t) => {
  const name127 = `00 7f00 ${'61'.repeat(127)} 00`
  t.same(read(new HpackDecoder(4096), name127), ['a'.repeat(127), ''], 'a length that is just the prefix')
  const long = `00 7f80 8080 8000 ${'61'.repeat(127)} 00`
  t.same(read(new HpackDecoder(4096), long), ['a'.repeat(127), ''], 'five octets, of which four say nothing')
  t.equal(read(new HpackDecoder(4096), 'ff80 8080 8080 00'), 'hpack-integer-too-large', 'six octets')
  t.equal(read(new HpackDecoder(4096), 'ffff ffff ff0f'), 'hpack-integer-too-large', '2^32')
  t.equal(read(new HpackDecoder(4096), 'ff82 ffff 7f'), 'hpack-integer-too-large', '2^28 + 1')
  t.equal(read(new HpackDecoder(4096), 'ff81 ffff 7f'), 'hpack-index-invalid', '2^28')
  t.same(read(new HpackDecoder(4096), '0f00 0161'), ['accept-charset', 'a'], 'a four-bit prefix that is full')
})

t.test('faults', async (t) => {
  const cases: readonly (readonly [hex: string, fault: HpackFault, what: string])[] = [
    ['80', 'hpack-index-invalid', 'index 0'],
    ['be', 'hpack-index-invalid', 'the first entry of an empty table'],
    ['ff00', 'hpack-index-invalid', 'an index beyond the tables'],
    ['7f00 0161', 'hpack-index-invalid', 'a name beyond the tables'],
    ['0f2f 0161', 'hpack-index-invalid', 'the name of the first entry of an empty table'],
    ['ff', 'hpack-truncated', 'an index that is cut'],
    ['ff80', 'hpack-truncated', 'an index that is cut within'],
    ['3f', 'hpack-truncated', 'a size that is cut'],
    ['40', 'hpack-truncated', 'a name that is missing'],
    ['44', 'hpack-truncated', 'a value that is missing'],
    ['4402 61', 'hpack-truncated', 'a value that is cut'],
    ['447f', 'hpack-truncated', 'a length that is cut'],
    ['0002 61', 'hpack-truncated', 'a name that is cut'],
    ['0001 61', 'hpack-truncated', 'a name without a value'],
    ['4482 1c', 'hpack-truncated', 'a Huffman string that is cut'],
    ['4481 00', 'hpack-huffman-malformed', 'padding with zeros'],
    ['4484 ffff ffff', 'hpack-huffman-malformed', 'EOS'],
    ['0081 ff00', 'hpack-huffman-malformed', 'a name of padding alone'],
    ['82 20', 'hpack-size-update-invalid', 'a size update after a field'],
    ['20 20 20', 'hpack-size-update-invalid', 'three size updates'],
    ['3fe2 1f', 'hpack-size-update-invalid', '4097 where 4096 is the limit'],
  ]
  for (const [hex, fault, what] of cases) t.equal(read(new HpackDecoder(4096), hex), fault, what)
})

t.test('strings are latin1, and an empty one is one', async (t) => {
  t.same(read(new HpackDecoder(4096), '0001 6103 e9ff 00 4000 80'), ['a', '\xe9\xff\0', '', ''])
})

t.test('an entry may be named after one that makes room for it', async (t) => {
  const decoder = new HpackDecoder(64)
  t.same(read(decoder, `40 ${plain('name')} ${plain('x'.repeat(20))}`), ['name', 'x'.repeat(20)])
  t.same(read(decoder, `7e ${plain('y'.repeat(20))} be`), ['name', 'y'.repeat(20), 'name', 'y'.repeat(20)])
  t.equal(entries(decoder).length, 1)
  t.same(read(decoder, `7e ${plain('z'.repeat(29))}`), ['name', 'z'.repeat(29)])
  t.same(entries(decoder), [], 'what is larger than the table empties it')
})

t.test('size updates', async (t) => {
  const decoder = new HpackDecoder(8192)
  read(decoder, `40 ${plain('a')} ${plain('1')} 40 ${plain('b')} ${plain('2')}`)
  t.same(read(decoder, '3f03 bf'), 'hpack-index-invalid', 'at 34 octets only the newest stays')
  t.same(entries(decoder), ['b: 2'])
  t.same(read(decoder, '20 3fe1 3f'), [], 'emptied, and as large as we allow')
  t.same(entries(decoder), [])

  const small = '0161 00'
  for (let count = 0; count < 248; count += 1) read(decoder, `40 ${small}`)
  t.equal(read(decoder, 'ff b6 01').length, 2, 'a table that grew holds 248 entries of 33 octets')
  t.equal(read(decoder, `40 ${small} ff b7 01`), 'hpack-index-invalid', 'and not one more')
})

/** A decoder whose limit has been lowered to these sizes, one after the other, since its last block. */
function lowered(...sizes: readonly number[]): HpackDecoder {
  const decoder = new HpackDecoder(4096)
  for (const size of sizes) decoder.setMaxTableSize(size)
  return decoder
}

t.test('a limit that we lower must be obeyed, and said', async (t) => {
  t.equal(read(lowered(100), '82'), 'hpack-size-update-missing')
  t.equal(read(lowered(100), '0001 6100'), 'hpack-size-update-missing')
  t.equal(read(lowered(100), '3f46 82'), 'hpack-size-update-invalid', '101')
  t.same(read(lowered(100), '3f45 82'), [':method', 'GET'], '100')
  t.equal(read(lowered(100, 200), '3f46 82'), 'hpack-size-update-missing', 'the smallest of several')
  t.same(read(lowered(100, 200), '3f45 3fa9 01 82'), [':method', 'GET'], 'the smallest and the last')
  t.same(read(lowered(4096), '82'), [':method', 'GET'], 'the same')
  t.same(read(lowered(8192), '3fe1 3f 82'), [':method', 'GET'], 'a larger one')
  const obedient = lowered(100)
  read(obedient, '3f45 82')
  t.same(read(obedient, '82'), [':method', 'GET'], 'said once')
})

t.test('the list is bounded, the table stays in step', async (t) => {
  const decoder = new HpackDecoder(4096)
  t.same(read(decoder, '82 82', 2 * 42), [':method', 'GET', ':method', 'GET'], 'just as much')
  t.equal(decoder.overflowed, false)
  t.same(read(decoder, '82 82', 2 * 42 - 1), [':method', 'GET'])
  t.equal(decoder.overflowed, true)
  t.same(read(decoder, '82 82 82', 65_536, 2), [':method', 'GET', ':method', 'GET'])
  t.equal(decoder.overflowed, true)
  const rest = `0001 6100 40 ${plain('k')} ${plain('v')} 0f2f 8107 1001 7881 07`
  t.same(read(decoder, `82 ${rest}`, 65_536, 1), [':method', 'GET'])
  t.equal(decoder.overflowed, true)
  t.same(read(decoder, 'be'), ['k', 'v'], 'what came after the bound is in the table')
  t.equal(decoder.overflowed, false)
  t.equal(read(decoder, '82 0001 6181 00', 65_536, 1), 'hpack-huffman-malformed', 'faults are found all the same')
})

t.test('a small block that stands for much', async (t) => {
  const decoder = new HpackDecoder(4096)
  const value = 'x'.repeat(4000)
  t.same(read(decoder, `40 ${plain('bomb')} 7fa1 1e ${Buffer.from(value).toString('hex')}`), ['bomb', value])
  const bomb = Buffer.alloc(60 * 1024, 0xbe)
  const out: string[] = []
  t.equal(decoder.decode(bomb, 0, bomb.length, out, 16_384, 100), undefined)
  t.equal(decoder.overflowed, true)
  t.equal(out.length, 8, 'four fields of 4036 octets')
  t.equal(decoder.decode(bomb, 0, bomb.length, out, 2 ** 30, 100), undefined)
  t.equal(out.length, 8 + 200)
})
