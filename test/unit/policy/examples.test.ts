import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/lib/package-root.ts'
import { parseDocuments } from '../../../src/policy/document.ts'
import { MAX_ENDPOINTS, MAX_LIST, MAX_STRING, validateResource } from '../../../src/policy/validate.ts'

t.test('every example is valid', async (t) => {
  const files = globSync('examples/policies/*.yaml', { cwd: packageRoot })
  t.ok(files.length >= 3)
  for (const file of files) {
    const { documents, errors } = parseDocuments(readFileSync(join(packageRoot, file), 'utf8'), file)
    t.strictSame(errors, [], file)
    for (const { value } of documents) t.match(validateResource(value), { ok: true }, file)
  }
})

t.test('every example of the reference is valid', async (t) => {
  const page = readFileSync(join(packageRoot, 'docs/reference/resources.md'), 'utf8')
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, block = '']) => block)
  t.ok(blocks.length >= 4)
  for (const block of blocks) {
    const { documents, errors } = parseDocuments(block, 'resources.md')
    t.strictSame(errors, [])
    for (const { value } of documents) t.match(validateResource(value), { ok: true }, block)
  }
})

t.test('the reference states the limits of the schema', async (t) => {
  const page = readFileSync(join(packageRoot, 'docs/reference/resources.md'), 'utf8')
  for (const limit of [`${MAX_LIST} entries`, `${MAX_STRING} characters`, `${MAX_ENDPOINTS} endpoints`])
    t.ok(page.includes(limit), limit)
})
