import t from 'tap'
import { type Import, importsOf, read, resolveImport, sourceFiles, withoutComments } from './sources.ts'

const files = sourceFiles('src')
const imports: ReadonlyMap<string, readonly Import[]> = new Map(files.map((file) => [file, importsOf(read(file))]))

/** The level of each folder of src; imports point to a lower one. */
const levels: Readonly<Record<string, number>> = {
  lib: 0,
  wire: 0,
  identity: 1,
  ratelimit: 1,
  policy: 1,
  config: 1,
  capture: 2,
  telemetry: 2,
  rpc: 2,
  mtls: 2,
  http: 2,
  kubernetes: 2,
  enrolment: 2.5,
  sidecar: 3,
  control: 3,
  injector: 3,
  installation: 3.5,
  cli: 4,
  'main.ts': 5,
}

/** Folders of one level that may be imported all the same. */
const allowedAside: ReadonlySet<string> = new Set(['policy -> identity', 'policy -> ratelimit'])

/** Folders that hold no effects, with the built-in modules that have none. */
const pure: Readonly<Record<string, readonly string[]>> = {
  identity: ['node:crypto', 'node:net'],
  policy: ['node:crypto', 'node:net'],
  ratelimit: [],
  config: ['node:net'],
}
const forbiddenGlobals =
  /\b(?:Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|setImmediate|process\.|performance\.|fetch\(|randomBytes|randomInt|randomUUID|generateKeyPair)/

function folderOf(file: string): string {
  return file.split('/')[1] ?? ''
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** Imports of other files of src: from, to. */
const arrows: readonly (readonly [from: string, to: string])[] = [...imports].flatMap(([file, list]) =>
  list
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier }) => [file, resolveImport(file, specifier)] as const),
)

t.test('the reader of imports sees all forms', async (t) => {
  const text = `
import a from './a.ts'
import { b, type B, c as d } from './b.ts'
import type { E } from './e.ts'
import { type F } from './f.ts'
import * as g from 'g'
import {
  h,
} from '@scope/h/sub.js'
import './i.ts'
export { j } from './j.ts'
export * from './k.ts'
// import l from './l.ts'
const m = await import('./m.ts')
`
  t.same(importsOf(text), [
    { specifier: './a.ts', names: ['a'], typeOnly: false, lazy: false },
    { specifier: './b.ts', names: ['b', 'd'], typeOnly: false, lazy: false },
    { specifier: './e.ts', names: [], typeOnly: true, lazy: false },
    { specifier: './f.ts', names: [], typeOnly: true, lazy: false },
    { specifier: 'g', names: ['*'], typeOnly: false, lazy: false },
    { specifier: '@scope/h/sub.js', names: ['h'], typeOnly: false, lazy: false },
    { specifier: './i.ts', names: [], typeOnly: false, lazy: false },
    { specifier: './j.ts', names: ['j'], typeOnly: false, lazy: false },
    { specifier: './k.ts', names: ['*'], typeOnly: false, lazy: false },
    { specifier: './m.ts', names: ['*'], typeOnly: false, lazy: true },
  ])
  t.ok(arrows.length > 100, `${arrows.length} imports between files of src`)
})

t.test('every relative import names a file of src', async (t) => {
  const known = new Set(files)
  const lost = arrows.filter(([, to]) => !known.has(to)).map(([from, to]) => `${from} imports ${to}`)
  t.same(lost, [])
})

t.test('imports point down', async (t) => {
  const unknown = new Set(files.map(folderOf).filter((folder) => levels[folder] === undefined))
  t.same([...unknown], [], 'every folder has a level')
  const wrong = arrows.filter(([from, to]) => {
    const [importer, imported] = [folderOf(from), folderOf(to)]
    if (importer === imported || allowedAside.has(`${importer} -> ${imported}`)) return false
    return levels[imported]! >= levels[importer]!
  })
  t.same(
    wrong.map(([from, to]) => `${from} imports ${to}`),
    [],
  )
})

t.test('no two files import each other, directly or in a circle', async (t) => {
  const next = new Map<string, string[]>()
  // Types that are generated may be recursive, as their messages are.
  const written = arrows.filter(([from]) => folderOf(from) !== 'wire')
  for (const [from, to] of written) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file)
    if (at >= 0) circles.push([...path.slice(at), file].join(' -> '))
    if (at >= 0 || done.has(file)) return
    for (const to of next.get(file) ?? []) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  t.same(circles, [])
})

t.test('pure folders have no clock, randomness, environment, files or sockets', async (t) => {
  const wrong: string[] = []
  for (const [folder, allowed] of Object.entries(pure)) {
    for (const file of files.filter((file) => folderOf(file) === folder)) {
      const found = forbiddenGlobals.exec(withoutComments(read(file)))
      if (found !== null) wrong.push(`${file} uses ${found[0]}`)
      for (const { specifier, names, typeOnly } of imports.get(file) ?? []) {
        if (!specifier.startsWith('node:') || typeOnly) continue
        if (!allowed.includes(specifier)) wrong.push(`${file} imports ${specifier}`)
        // Of node:net only what looks at texts.
        const sockets = specifier === 'node:net' && names.some((name) => !/^isIP(?:v4|v6)?$/.test(name))
        if (sockets) wrong.push(`${file} imports ${names.join(', ')} from node:net`)
      }
    }
  }
  t.same(wrong, [])
})

t.test('of policy, only wire.ts and its folder know the wire; of the other pure folders none does', async (t) => {
  const wrong = arrows.filter(
    ([from, to]) => folderOf(to) === 'wire' && folderOf(from) in pure && !from.startsWith('src/policy/wire'),
  )
  t.same(wrong, [])
})

t.test('a third-party package has exactly one importing folder', async (t) => {
  const manifest: Readonly<Record<'dependencies' | 'optionalDependencies', Readonly<Record<string, string>>>> =
    JSON.parse(read('package.json'))
  // Node itself is not imported.
  const optional = Object.keys(manifest.optionalDependencies).filter((name) => !name.startsWith('node-linux-'))
  const names = [...Object.keys(manifest.dependencies), ...optional]
  const importers = new Map<string, Set<string>>(names.map((name) => [name, new Set()]))
  const undeclared: string[] = []
  for (const [file, list] of imports) {
    // Generated types name the gRPC library; they are gone when the program runs.
    if (folderOf(file) === 'wire') continue
    for (const { specifier } of list) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue
      const folders = importers.get(packageOf(specifier))
      if (folders === undefined) undeclared.push(`${file} imports ${specifier}`)
      else folders.add(folderOf(file))
    }
  }
  t.same(undeclared, [], 'declared in package.json')
  for (const [name, folders] of importers) t.equal(folders.size, 1, `${name}: ${[...folders].join(', ') || 'nobody'}`)
})

t.test('forge is in one file', async (t) => {
  const users = files.filter((file) =>
    imports.get(file)?.some(({ specifier }) => packageOf(specifier) === 'node-forge'),
  )
  t.same(users, ['src/identity/asn1.ts'])
})

t.test('only main.ts ends the process or reads its environment', async (t) => {
  const wrong = files.filter((file) => /\bprocess\.(?:exit|exitCode|env)\b/.test(withoutComments(read(file))))
  t.same(wrong, ['src/main.ts'])
})

t.test('no file or folder is named after nothing', async (t) => {
  const nameless = /(?:^|\/)(?:utils?|helpers?|common|misc|shared)(?:\.|\/|$)/
  const all = ['src', 'test', 'bench', 'proto', 'docs'].flatMap(sourceFiles)
  t.same(
    all.filter((file) => nameless.test(file)),
    [],
  )
  t.ok(all.length > files.length)
})
