import { cpSync, existsSync, lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, extname, join, relative } from 'node:path'

/** A package of npm as the lock file has it. */
export interface NpmPackage {
  /** Where it is installed: `node_modules/a/node_modules/b`. */
  readonly path: string
  readonly name: string
  readonly version: string
  /** An SPDX expression, or whatever else its author wrote. */
  readonly license: string | undefined
  /** Subresource integrity of its archive: `sha512-...` in Base64. */
  readonly integrity: string | undefined
  /** Paths of the packages that it asks for and that are in the image too. */
  readonly dependsOn: readonly string[]
}

interface Locked {
  readonly version?: string
  readonly dev?: boolean
  readonly license?: string
  readonly integrity?: string
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  /** npm installs these as well. */
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

/** The platform that an image is for, in the words of Node. */
export interface Platform {
  readonly os: string
  readonly cpu: string
}

/** npm's own copies of Node, for checkouts: an image has the one that builds it. */
const NODE_PACKAGE = /^node_modules\/node-[a-z]+-[a-z0-9]+$/

/**
 * The packages that a production installation has on `platform`, by a lock file of version 3, sorted by path. Types alone are no
 * reason to be there: `@types/...` and what only those need is left out.
 */
export function productionPackages(lockFile: string, platform: Platform): readonly NpmPackage[] {
  const { lockfileVersion, packages }: { lockfileVersion?: number; packages?: Readonly<Record<string, Locked>> } =
    JSON.parse(readFileSync(lockFile, 'utf8'))
  if (lockfileVersion !== 3 || packages === undefined) throw new Error(`${lockFile}: not a lock file of version 3`)
  const wanted = ({ os, cpu }: Locked): boolean =>
    (os?.includes(platform.os) ?? true) && (cpu?.includes(platform.cpu) ?? true)
  const found = new Map<string, readonly string[]>()
  const visit = (path: string): readonly string[] => {
    const {
      dependencies,
      optionalDependencies = {},
      peerDependencies = {},
      peerDependenciesMeta,
    } = packages[path] ?? {}
    const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta?.[name]?.optional !== true)
    const asked = [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers].filter(
      (name) => !name.startsWith('@types/'),
    )
    return asked.flatMap((name) => {
      const at = resolveIn(packages, path, name)
      if (at === undefined) {
        if (name in optionalDependencies) return []
        throw new Error(`${lockFile}: ${path || 'the root'} needs ${name}, which is not in it`)
      }
      if (!wanted(packages[at] ?? {}) || NODE_PACKAGE.test(at)) return []
      if (!found.has(at)) {
        // First a mark: packages may need each other.
        found.set(at, [])
        found.set(at, visit(at))
      }
      return [at]
    })
  }
  visit('')
  return [...found]
    .map(([path, dependsOn]): NpmPackage => {
      const { version = '', license, integrity } = packages[path] ?? {}
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
      return { path, name, version, license, integrity, dependsOn: [...new Set(dependsOn)].toSorted() }
    })
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** Where Node finds `name` from a module of the package at `path`: in the nearest `node_modules` above. */
function resolveIn(packages: Readonly<Record<string, Locked>>, path: string, name: string): string | undefined {
  for (let from = path; ; from = from.slice(0, Math.max(0, from.lastIndexOf('node_modules/') - 1))) {
    const at = `${from === '' ? '' : `${from}/`}node_modules/${name}`
    if (at in packages) return at
    if (from === '') return undefined
  }
}

/** Names of the files that have to go with a copy of a package. */
const legal = /^(?:licen[cs]e|copying|notice|copyright|authors|patents)/i
/** What no program reads at run time: sources of something else, types, maps, pages. */
const idleExtensions: ReadonlySet<string> = new Set(
  '.ts .mts .cts .map .flow .md .markdown .html .css .png .svg .c .cc .cpp .h .hh .hpp .S .asm .inc .cmake .txt .yml .yaml .tsbuildinfo .proto .gyp .gypi .sh .iml .lock'.split(
    ' ',
  ),
)
/** Folders right below the package; deeper ones of these names may hold its code. */
const idleFolders: ReadonlySet<string> = new Set(
  'test tests __tests__ doc docs example examples bench benchmark benchmarks browser coverage demo scripts tasks vendor .github .vscode .idea'.split(
    ' ',
  ),
)

/**
 * Copies what `item` needs at run time, and its licence, from the installation in `from` to `to`. Throws where what is installed is
 * not what the lock file says.
 */
export function copyPackage(item: NpmPackage, from: string, to: string): void {
  const source = join(from, item.path)
  const manifest = join(source, 'package.json')
  if (!existsSync(manifest)) throw new Error(`${item.path} is not installed: run npm ci first`)
  const { version }: { version?: string } = JSON.parse(readFileSync(manifest, 'utf8'))
  if (version !== item.version) {
    throw new Error(`${item.path} is installed as ${version}, the lock file says ${item.version}: run npm ci first`)
  }
  const target = join(to, item.path)
  cpSync(source, target, {
    recursive: true,
    dereference: true,
    filter: (file) => isKept(relative(source, file), lstatSync(file).isDirectory()),
  })
  // The same for musl, which the image does not have.
  if (item.name.startsWith('@koromix/koffi-')) {
    for (const name of readdirSync(target))
      if (name.startsWith('musl_')) rmSync(join(target, name), { recursive: true })
  }
  removeEmptyFolders(target)
}

function isKept(path: string, isFolder: boolean): boolean {
  if (path === '') return true
  const name = basename(path)
  if (name === 'node_modules') return false
  if (isFolder) return dirname(path) !== '.' || !idleFolders.has(name)
  if (legal.test(name) && extname(name) !== '.js') return true
  return !name.startsWith('.') && !idleExtensions.has(extname(name))
}

function removeEmptyFolders(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyFolders(join(folder, entry.name))
  }
  if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true })
}
