// Header blocks of other encoders (http2jp/hpack-test-case): decoded, and encoded again.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { HpackDecoder } from '../../src/http/h2/hpack/decoder.ts'
import { HpackEncoder } from '../../src/http/h2/hpack/encoder.ts'
import { packageRoot } from '../../src/lib/package-root.ts'

const vectors = process.env['OUTRIDER_VECTORS'] ?? join(packageRoot, '..', 'shared', 'vectors')
const folder = join(vectors, 'hpack')

interface Block {
  readonly wire: string
  readonly headers: readonly Readonly<Record<string, string>>[]
  readonly header_table_size?: number | null
}

function isStory(value: unknown): value is { readonly cases: readonly Block[] } {
  return typeof value === 'object' && value !== null && 'cases' in value && Array.isArray(value.cases)
}

if (!existsSync(folder)) {
  console.log('note: no third-party HPACK vectors; set OUTRIDER_VECTORS to their folder')
  t.pass('no vectors')
} else {
  t.test('stories', async (t) => {
    let blocks = 0
    for (const file of globSync('*/story_*.json', { cwd: folder }).toSorted()) {
      const story: unknown = JSON.parse(readFileSync(join(folder, file), 'utf8'))
      if (!isStory(story)) throw new TypeError(`${file} is no story`)
      const theirs = new HpackDecoder(4096)
      const ours = new HpackDecoder(4096)
      const encoder = new HpackEncoder()
      for (const [index, { wire, headers, header_table_size: size }] of story.cases.entries()) {
        const wanted = headers.flatMap((field) => Object.entries(field)).flat()
        if (typeof size === 'number') {
          theirs.setMaxTableSize(size)
          ours.setMaxTableSize(size)
          encoder.setPeerTableSize(size)
        }
        const block = Buffer.from(wire, 'hex')
        const out: string[] = []
        const fault = theirs.decode(block, 0, block.length, out, 65_536, 200)

        const again = Buffer.alloc(HpackEncoder.bound(wanted))
        const outAgain: string[] = []
        const faultAgain = ours.decode(again, 0, encoder.encode(wanted, again, 0), outAgain, 65_536, 200)
        if (!t.same([fault, out, faultAgain, outAgain], [undefined, wanted, undefined, wanted], `${file} ${index}`))
          break
        blocks += 1
      }
    }
    t.ok(blocks > 0)
    console.log(`note: ${blocks} header blocks of others are read`)
  })
}
