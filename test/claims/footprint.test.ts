import t from 'tap'
import { importsOf, read, resolveImport } from './sources.ts'

/** What is loaded before a command runs, in files of src and in packages: `import type` and `import()` load nothing then. */
function loadedBy(...roots: readonly string[]): {
  readonly files: readonly string[]
  readonly others: readonly string[]
} {
  const files = new Set<string>(roots)
  const others = new Set<string>()
  for (const file of files) {
    for (const { specifier, typeOnly, lazy } of importsOf(read(file))) {
      if (typeOnly || lazy) continue
      if (specifier.startsWith('.')) files.add(resolveImport(file, specifier))
      else others.add(specifier)
    }
  }
  return { files: [...files].toSorted(), others: [...others].toSorted() }
}

// A sidecar runs beside every workload: what it loads is paid for as often. docs/decisions/0006-memory-floor.md has the prices.
const sidecar = loadedBy('src/main.ts', 'src/cli/commands/sidecar.ts')

t.test('a sidecar loads these packages and no others', async (t) => {
  t.same(
    sidecar.others.filter((specifier) => !specifier.startsWith('node:')),
    ['@grpc/grpc-js', 'node-forge/lib/asn1.js', 'pino', 'protobufjs/light.js'],
  )
})

t.test('a sidecar loads no module of Node that brings a large one along', async (t) => {
  // node:http by `import` brings undici: src/lib/node-http.ts is the way.
  const large = ['node:http', 'node:https', 'node:sqlite']
  t.same(
    sidecar.others.filter((specifier) => large.includes(specifier)),
    [],
  )
})

t.test('a sidecar loads nothing of the control server and of other commands', async (t) => {
  const foreign = /^src\/(?:control|cli\/demo|cli\/commands\/(?!sidecar|version))/
  t.same(
    sidecar.files.filter((file) => foreign.test(file)),
    [],
  )
  t.ok(sidecar.files.includes('src/sidecar/inbound/path.ts'), `${sidecar.files.length} files`)
})
