import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { packageRoot } from '../../src/lib/package-root.ts'

const folder = process.env['OUTRIDER_VECTORS'] ?? join(packageRoot, '..', 'shared', 'vectors')
const path = join(folder, 'spiffe-ids.json')

function isVector(value: unknown): value is { in: string; ok: boolean; why: string } {
  return typeof value === 'object' && value !== null && 'in' in value && 'ok' in value && 'why' in value
}

function accepts(text: string): boolean {
  try {
    parseSpiffeId(text)
    return true
  } catch {
    return false
  }
}

t.test('SPIFFE IDs of go-spiffe', async (t) => {
  if (!existsSync(path)) {
    console.log('note: third-party vectors spiffe-ids.json not found')
    t.pass('not run: the vectors are not there')
    return
  }
  const vectors: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (!Array.isArray(vectors) || !vectors.every(isVector)) throw new TypeError(`${path} is of another form`)
  let agreed = 0
  for (const vector of vectors) {
    if (accepts(vector.in) === vector.ok) agreed += 1
    else t.fail(`${vector.why}: ${JSON.stringify(vector.in)} should be ${vector.ok ? 'accepted' : 'refused'}`)
  }
  console.log(`note: spiffe-ids.json: ${agreed} of ${vectors.length} agree`)
  t.equal(agreed, vectors.length, `${agreed} of ${vectors.length}`)
})
