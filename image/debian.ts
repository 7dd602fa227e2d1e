import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { sha256Of } from './tree.ts'

/** A file of the system that goes into the image. */
export interface SystemFile {
  /** Its place in the image, such as `/usr/sbin/nft`. */
  readonly path: string
  /** What is copied. */
  readonly source: string
  readonly sha256: string
}

/** A package of Debian, with those of its files that are in the image. */
export interface DebianPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** The source package, by which Debian's security tracker goes, and its version. */
  readonly source: string
  readonly sourceVersion: string
  readonly files: readonly SystemFile[]
}

const FOLDERS = ['/usr/sbin', '/sbin', '/usr/bin', '/bin']

/** The path of a program of the system. */
export function programOf(name: string): string {
  const found = FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path))
  if (found === undefined) throw new Error(`there is no program ${name} here, which goes into the image`)
  return realpathSync(found)
}

/** Everything that the dynamic linker loads for these programs and addons, itself too, without those; sorted. */
export function librariesOf(files: readonly string[]): readonly string[] {
  const paths = new Set<string>()
  for (const file of files) {
    const listed = output('ldd', [file])
    if (/not found/.test(listed)) throw new Error(`${file}: a library is missing:\n${listed}`)
    for (const [, path = ''] of listed.matchAll(/(\/\S+) \(0x[0-9a-f]+\)$/gm)) paths.add(path)
  }
  return [...paths].toSorted()
}

/**
 * Where `path` is when all of `/bin`, `/sbin`, `/lib` and `/lib64` are links to the same below `/usr`, as in Debian since 12. The last name
 * stays, even where it is a link: it is the name that programs ask for.
 */
export function mergedPath(path: string): string {
  return path.replace(/^\/(bin|sbin|lib\w*)\//, '/usr/$1/')
}

/** Copies files of the system to their places in the image, and says what they are. */
export function copySystemFiles(paths: readonly string[], root: string): readonly SystemFile[] {
  return [...new Set(paths)].toSorted().map((source) => {
    const path = mergedPath(source)
    const target = join(root, path)
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(source, target)
    return { path, source, sha256: sha256Of(target) }
  })
}

/** The packages that `files` are from, sorted by name. Throws for a file that is of no package: nobody could say what it is. */
export function packagesOf(files: readonly SystemFile[]): readonly DebianPackage[] {
  const found = new Map<string, SystemFile[]>()
  for (const file of files) {
    const name = ownerOf(file.source)
    found.set(name, [...(found.get(name) ?? []), file])
  }
  return [...found]
    .map(([name, own]): DebianPackage => {
      const format = '${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\t${source:Version}\\n'
      const [line = ''] = output('dpkg-query', ['--show', `--showformat=${format}`, name]).split('\n')
      const [bare = '', version = '', architecture = '', source = '', sourceVersion = ''] = line.split('\t')
      if (sourceVersion === '') throw new Error(`dpkg-query says ${JSON.stringify(line)} of ${name}`)
      return { name: bare, version, architecture, source, sourceVersion, files: own }
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** dpkg knows a file by the path that its package gave, from before or after the folders were merged. */
function ownerOf(file: string): string {
  const real = realpathSync(file)
  const places = [file, real, mergedPath(file), real.replace(/^\/usr\/(bin|sbin|lib\w*)\//, '/$1/')]
  for (const place of new Set(places)) {
    try {
      const [line = ''] = output('dpkg-query', ['--search', place]).split('\n')
      const name = line.slice(0, line.indexOf(': '))
      if (!line.startsWith('diversion ') && name !== '') return name
    } catch {
      // Under another path, or of no package.
    }
  }
  throw new Error(`${file} is of no package of Debian: the image is made of files of packages`)
}

/**
 * Leaves in the image what says of which packages and under which licences its files are: `/var/lib/dpkg/status.d`, where scanners look
 * in images without dpkg, `/usr/share/doc/PACKAGE/copyright`, and the licences that those name.
 */
export function copyNotices(packages: readonly DebianPackage[], root: string): void {
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const licences = new Set<string>()
  for (const { name, architecture } of packages) {
    const copyright = `/usr/share/doc/${name}/copyright`
    if (!existsSync(copyright)) throw new Error(`${copyright} is missing: the licence has to go with the files`)
    const text = readFileSync(copyright, 'utf8')
    write(copyright, text)
    for (const [path] of text.matchAll(/\/usr\/share\/common-licenses\/[A-Za-z0-9.+-]*[A-Za-z0-9+]/g))
      licences.add(path)
    write(`/var/lib/dpkg/status.d/${name}`, output('dpkg-query', ['--status', `${name}:${architecture}`]))
  }
  for (const path of licences) if (existsSync(path)) write(path, readFileSync(path, 'utf8'))
  write('/usr/lib/os-release', readFileSync('/etc/os-release', 'utf8'))
}

/** `12` of Debian 12, for the addresses of packages. */
export function debianRelease(): string {
  const text = readFileSync('/etc/os-release', 'utf8')
  const [id, version] = ['ID', 'VERSION_ID'].map(
    (key) => new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? '',
  )
  if (id !== 'debian' || version === undefined || version === '') {
    throw new Error(`images are built on Debian, whose packages are named in them; this is ${id} ${version}`)
  }
  return version
}

function output(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, [...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { LC_ALL: 'C', PATH: `${process.env['PATH']}:/usr/sbin` },
    })
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    throw new Error(`${basename(program)} ${args.join(' ')} failed: ${said || String(error)}`, { cause: error })
  }
}
