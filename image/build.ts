// node image/build.ts --out FOLDER: makes the root file system of the image, as the Dockerfile ships it. docs/guides/image.md
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  copyNotices,
  copySystemFiles,
  debianRelease,
  librariesOf,
  mergedPath,
  packagesOf,
  programOf,
} from './debian.ts'
import { copyPackage, productionPackages } from './packages.ts'
import { billOfMaterials } from './sbom.ts'
import { pathsIn, reportOf, setTimes, sha256Of, type TreeReport } from './tree.ts'

export interface Built extends TreeReport {
  /** Where the tree is. */
  readonly out: string
  /** Where its bill of materials is, in it. */
  readonly sbom: string
}

const repository = dirname(dirname(fileURLToPath(import.meta.url)))
const USER = 15_400
const NODE = '/usr/local/bin/node'
/** Of the capture step, which runs as root: nobody else may run them. */
const captureTools = ['nft', 'ip']
const SBOM = '/outrider/sbom.cdx.json'

/** The files of /etc that programs look for. A container runtime mounts its own over the last two. */
const settings: Readonly<Record<string, string>> = {
  passwd: `root:x:0:0::/:/sbin/nologin\noutrider:x:${USER}:${USER}::/var/lib/outrider:/sbin/nologin\n`,
  group: `root:x:0:\noutrider:x:${USER}:\n`,
  'nsswitch.conf': 'hosts: files dns\n',
  hosts: '127.0.0.1 localhost\n::1 localhost\n',
  'resolv.conf': '',
}

/**
 * Makes the tree in `out`, which must not exist, from this checkout and its installed packages, and the Node that runs this. `time`
 * (seconds since 1970) becomes the time of all files: with the same sources, packages and system the tree is the same.
 */
export function buildImage(out: string, time: number): Built {
  if (existsSync(out)) throw new Error(`${out} is there already`)
  const manifest = readManifest()
  const at = (path: string): string => join(out, path)
  for (const path of ['dev', 'etc', 'outrider', 'proc', 'run', 'sys', 'tmp', 'usr/local/bin', 'var/lib/outrider']) {
    mkdirSync(at(path), { recursive: true })
  }

  const npm = productionPackages(join(repository, 'package-lock.json'), { os: process.platform, cpu: process.arch })
  for (const item of npm) copyPackage(item, repository, at('outrider'))
  compile(at('outrider/dist'))
  for (const name of ['bin', 'deploy']) {
    if (existsSync(join(repository, name))) cpSync(join(repository, name), at(`outrider/${name}`), { recursive: true })
  }
  for (const name of ['LICENSE', 'package.json']) copyFileSync(join(repository, name), at(`outrider/${name}`))

  copyFileSync(process.execPath, at(NODE))
  const tools = captureTools.map(programOf)
  const libraries = librariesOf([at(NODE), ...addonsIn(at('outrider/node_modules')), ...tools])
  const debian = packagesOf(copySystemFiles([...tools, ...libraries], out))
  copyNotices(debian, out)
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(at(`usr/${name}`), { recursive: true })
    symlinkSync(`usr/${name}`, at(name))
  }
  for (const [name, text] of Object.entries(settings)) writeFileSync(at(`etc/${name}`), text)
  symlinkSync('../usr/lib/os-release', at('etc/os-release'))

  const { name, version, license } = manifest
  const node = { version: process.versions.node, path: NODE, sha256: sha256Of(at(NODE)), bundles: bundles() }
  const contents = { name, version, license, npm, node, debian, debianRelease: debianRelease(), time }
  writeFileSync(at(SBOM), billOfMaterials(contents))

  setModes(out, tools)
  setTimes(out, time)
  return { out, sbom: at(SBOM), ...reportOf(out) }
}

function readManifest(): { readonly name: string; readonly version: string; readonly license: string } {
  return JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
}

/** JavaScript without maps, which point to sources that the image does not have, and without comments: a process keeps its sources in memory. */
function compile(out: string): void {
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  const flags = [
    '--project',
    join(repository, 'tsconfig.build.json'),
    '--sourceMap',
    'false',
    '--removeComments',
    '--outDir',
    out,
  ]
  execFileSync(process.execPath, [compiler, ...flags], { stdio: ['ignore', 'inherit', 'inherit'], cwd: repository })
}

function addonsIn(folder: string): readonly string[] {
  return pathsIn(folder)
    .filter((path) => path.endsWith('.node'))
    .map((path) => join(folder, path))
}

function bundles(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(process.versions).flatMap(([key, text]) => (text === undefined ? [] : [[key, text]])),
  )
}

/** The same whatever the umask and the modes of the checkout are. Owners are root where root builds, else who builds. */
function setModes(out: string, tools: readonly string[]): void {
  const runnable = new Set([NODE, '/outrider/bin/outrider'].map((path) => join(out, path)))
  for (const path of pathsIn(out)) {
    const place = join(out, path)
    const found = lstatSync(place)
    if (found.isSymbolicLink()) continue
    const executable = found.isDirectory() || runnable.has(place) || basename(place).startsWith('ld-linux')
    chmodSync(place, executable ? 0o755 : 0o644)
  }
  for (const tool of tools) chmodSync(join(out, mergedPath(tool)), 0o700)
  chmodSync(join(out, 'tmp'), 0o1777)
  const state = join(out, 'var/lib/outrider')
  chmodSync(state, 0o700)
  if (process.getuid?.() === 0) chownSync(state, USER, USER)
  chmodSync(out, 0o755)
}

/** SOURCE_DATE_EPOCH, as reproducible-builds.org has it; 0 when nothing is given. */
function timeOf(text: string | undefined): number {
  if (text === undefined || text === '') return 0
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw new Error(`SOURCE_DATE_EPOCH: seconds since 1970, not ${JSON.stringify(text)}`)
}

if (import.meta.main) {
  try {
    const { out } = parseArgs({ options: { out: { type: 'string' } } }).values
    if (out === undefined) throw new Error('usage: node image/build.ts --out FOLDER')
    const built = buildImage(resolve(out), timeOf(process.env['SOURCE_DATE_EPOCH']))
    process.stdout.write(`${JSON.stringify(built)}\n`)
  } catch (error) {
    process.stderr.write(`image/build.ts: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
