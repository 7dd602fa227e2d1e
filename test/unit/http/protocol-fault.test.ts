import { readFileSync } from 'node:fs'
import t from 'tap'
import { protocolFaults } from '../../../src/http/protocol-fault.ts'
import { framingVectors } from '../../fixtures/http.ts'

const page = readFileSync(new URL('../../../docs/reference/http.md', import.meta.url), 'utf8')

t.test('docs/reference/http.md has every code with its status and meaning', (t) => {
  for (const [code, { status, text }] of Object.entries(protocolFaults)) {
    t.ok(page.includes(`\n| \`${code}\` | ${status} | ${text} |\n`), code)
  }
  const rows = page.slice(page.indexOf('## Fault codes'), page.indexOf('## Stricter')).match(/^\| `/gm)
  t.equal(rows?.length, Object.keys(protocolFaults).length, 'and no other')
  t.end()
})

t.test('it counts the vectors', (t) => {
  t.ok(page.includes(`${framingVectors().length} vectors`))
  t.end()
})
