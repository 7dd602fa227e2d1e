import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { importsOf, read, root, sourceFiles, withoutComments } from './sources.ts'

/** Every path.ts of a process, and where its order is written down: under the heading that names the file. */
const paths = ['sidecar', 'control']
  .flatMap((folder) => sourceFiles(`src/${folder}`))
  .filter((file) => file.endsWith('/path.ts'))
  .map((file) => ({
    file,
    docs: `docs/architecture/${/\/(?:in|out)bound\//.test(file) ? 'request' : 'policy'}-path.md`,
  }))

/**
 * A stage is a file beside path.ts from which path.ts imports a function, and has the name of that file. The stages are
 * in the order in which path.ts first calls something from each.
 */
function stagesInCode(text: string): string[] {
  const body = withoutComments(text).replace(/^import[\s\S]*?'[^']+'$/gm, '')
  const calls: { readonly stage: string; readonly at: number }[] = []
  for (const { specifier, names } of importsOf(text)) {
    const [, stage] = /^\.\/([a-z-]+)\.ts$/.exec(specifier) ?? []
    if (stage === undefined) continue
    const first = names.map((name) => body.search(new RegExp(`(?<![\\w.])${name}\\(`))).filter((at) => at >= 0)
    if (first.length > 0) calls.push({ stage, at: Math.min(...first) })
  }
  return calls.toSorted((a, b) => a.at - b.at).map(({ stage }) => stage)
}

/** The ordered list ("1. `accept` ...") under the heading that contains the name of the file. */
function stagesInDocs(text: string, file: string): string[] {
  const sections = text.split(/^(?=#+ )/m)
  const section = sections.find((part) => (part.split('\n')[0] ?? '').includes(`\`${file}\``))
  if (section === undefined) return []
  const items = [...section.matchAll(/^(\d+)\. `([a-z-]+)`/gm)]
  for (const [index, [, number]] of items.entries()) {
    if (Number(number) !== index + 1) throw new Error(`${file}: item ${index + 1} of the list has the number ${number}`)
  }
  return items.map(([, , stage = '']) => stage)
}

t.test('the order is read from code and docs alike', async (t) => {
  const code = `
import type { Socket } from 'node:net'
import { type Accepted, accept, acceptAgain } from './accept.ts'
import type { Connection } from './connection.ts'
import { forward } from './forward.ts'
import { limit } from './limit.ts'
import { other } from '../other.ts'

// forward() comes last
export function request(socket: Socket): void {
  const limits = accept(socket)
  other(limits.forward(() => limit(limits)))
  forward(acceptAgain())
}
`
  t.same(stagesInCode(code), ['accept', 'limit', 'forward'])
  const docs = '# Paths\n\n## In: `a/path.ts`\n\n1. `accept` takes\n2. `limit`\n\n## Out: `b/path.ts`\n\n1. `send`\n'
  t.same(stagesInDocs(docs, 'a/path.ts'), ['accept', 'limit'])
  t.same(stagesInDocs(docs, 'b/path.ts'), ['send'])
  t.same(stagesInDocs(docs, 'c/path.ts'), [])
})

t.test('the paths are there', async (t) => {
  const files = paths.map(({ file }) => file)
  for (const file of ['src/control/publish/path.ts', 'src/sidecar/inbound/path.ts', 'src/sidecar/outbound/path.ts']) {
    t.ok(files.includes(file), file)
  }
})

for (const { file, docs } of paths) {
  t.test(`${file} has the stages of ${docs}`, async (t) => {
    const stages = stagesInCode(read(file))
    t.ok(stages.length >= 3, stages.join(', '))
    t.ok(existsSync(join(root, docs)), `${docs} is there`)
    t.same(stagesInDocs(read(docs), file), stages)
  })
}
