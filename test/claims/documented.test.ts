import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { controlOptions } from '../../src/config/control.ts'
import { injectorOptions } from '../../src/config/injector.ts'
import { sidecarOptions } from '../../src/config/sidecar.ts'
import { h2Faults } from '../../src/http/h2/fault.ts'
import { protocolFaults } from '../../src/http/protocol-fault.ts'
import { refusals } from '../../src/sidecar/refusal.ts'
import { annotationNames } from '../../src/injector/settings.ts'
import { controlMetrics, injectorMetrics, sidecarMetrics } from '../../src/telemetry/names.ts'
import { codesInSource } from './codes.ts'
import { pages } from './generate-reference.ts'
import { read, root, sourceFiles, withoutComments } from './sources.ts'

for (const [path, make] of Object.entries(pages)) {
  t.test(`${path} is what the code says`, async (t) => {
    const made = await make()
    t.ok(existsSync(join(root, path)), 'the page is there')
    t.ok(read(path) === made, 'node test/claims/generate-reference.ts writes it anew')
  })
}

t.test('every error and refusal code is documented, and no other', async (t) => {
  const rows = ['errors', 'refusals'].flatMap((page) => [
    ...read(`docs/reference/${page}.md`).matchAll(/^\| `([a-z][a-z0-9.-]*)` /gm),
  ])
  const documented = new Set(rows.map(([, code = '']) => code))
  const used = codesInSource()
  t.ok(used.size > 100, `${used.size} codes found in src`)
  const known = new Set([...used.keys(), ...Object.keys(refusals), ...Object.keys(protocolFaults)])
  const missing = [...known].filter((code) => !documented.has(code))
  t.same(
    missing.map((code) => `${code} (${used.get(code)?.join(', ') ?? 'a table of refusals'})`),
    [],
    'in docs/reference/errors.md',
  )
  t.same(
    [...documented].filter((code) => !known.has(code)),
    [],
    'codes that nothing raises',
  )
})

t.test('every fault of HTTP/2 is documented with its error and what it ends, and no other', async (t) => {
  const row = /^\| `(h2-[a-z-]+)` \| ([A-Z_]+) \| (?:stream|connection)\b[^|]* \| (.+) \|$/gm
  const rows = [...read('docs/reference/http.md').matchAll(row)].map(([, code, error, text]) => [code, error, text])
  t.strictSame(
    rows,
    Object.entries(h2Faults).map(([code, { error, text }]) => [code, error, text]),
  )
})

t.test('every field of the access log is documented, and no other', async (t) => {
  const source = read('src/telemetry/access-log.ts')
  const fields = new Set([...source.matchAll(/[,{]"([a-z_]+)":/g)].map(([, field = '']) => field))
  const rows = [...read('docs/reference/access-log.md').matchAll(/^\| `([a-z_]+)` /gm)].map(([, field = '']) => field)
  t.same(rows.toSorted(), [...fields].toSorted())
})

t.test('every annotation is documented, and no other', async (t) => {
  const rows = [...read('docs/reference/annotations.md').matchAll(/^\| `outrider\.mesh\/([a-z-]+)` /gm)]
  const documented = rows.map(([, name = '']) => name).filter((name) => name !== 'injected')
  t.same(documented.toSorted(), annotationNames.toSorted())
})

/** Does any of the files say `.name`, or take `name` out of an object? */
function isUsed(name: string, files: readonly string[]): boolean {
  const use = new RegExp(`\\.${name}\\b|[{,]\\s*${name}\\s*[,}:]`)
  return files.some((file) => use.test(withoutComments(read(file))))
}

t.test('every option and metric is used by its process', async (t) => {
  const enrolment = sourceFiles('src/enrolment')
  const sidecar = [...sourceFiles('src/sidecar'), ...enrolment, 'src/cli/commands/sidecar.ts']
  const injector = [...sourceFiles('src/injector'), ...enrolment, 'src/cli/commands/injector.ts']
  const control = [...sourceFiles('src/control'), 'src/cli/commands/control.ts']
  const tables = [
    [sidecarOptions, sidecar],
    [sidecarMetrics, sidecar],
    [controlOptions, control],
    [controlMetrics, control],
    [injectorOptions, injector],
    [injectorMetrics, injector],
  ] as const
  for (const [table, files] of tables) {
    const present = files.filter((file) => existsSync(join(root, file)))
    t.same(
      Object.keys(table).filter((name) => !isUsed(name, present)),
      [],
    )
  }
})
