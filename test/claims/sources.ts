import { globSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the checkout. */
export const root: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Paths of all `.ts` files below a folder of the checkout, relative to its root, with forward slashes. */
export function sourceFiles(folder: string): string[] {
  return globSync(`${folder}/**/*.ts`, { cwd: root }).toSorted()
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The text without comments. Works on formatted code: a comment begins its line or follows white space. */
export function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

export interface Import {
  readonly specifier: string
  /** Names as they are called in the importing file; `*` for a namespace and for `import()`. Types are left out. */
  readonly names: readonly string[]
  readonly typeOnly: boolean
  /** By `import()`: loaded when the program gets there. */
  readonly lazy: boolean
}

const statement =
  /^(?:import\s+(?:(type)\s+)?(?:([^'"]*?)\s+from\s+)?|export\s+(?:(type)\s+)?([*{][^'"]*?)\s+from\s+)'([^']+)'/gm
const dynamic = /\bimport\(\s*'([^']+)'/g

/** Every import of a text, re-exports and `import()` too. */
export function importsOf(text: string): Import[] {
  const code = withoutComments(text)
  const found: Import[] = []
  for (const [, importType, imported, exportType, exported, specifier = ''] of code.matchAll(statement)) {
    const type = importType !== undefined || exportType !== undefined
    const clause = imported ?? exported ?? ''
    const names = type ? [] : valueNames(clause)
    found.push({ specifier, names, typeOnly: type || (clause !== '' && names.length === 0), lazy: false })
  }
  for (const [, specifier = ''] of code.matchAll(dynamic))
    found.push({ specifier, names: ['*'], typeOnly: false, lazy: true })
  return found
}

function valueNames(clause: string): string[] {
  const [, before = '', inside = ''] = /^([^{]*)(?:\{([\s\S]*)\})?/.exec(clause) ?? []
  const named = inside
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && !part.startsWith('type '))
    .map((part) => part.replace(/^.* as /, ''))
  const whole = before.replace(/[\s,]+$/, '').trim()
  if (whole === '') return named
  return [whole.startsWith('*') ? '*' : whole, ...named]
}

/** The file that a relative specifier of `importer` names. */
export function resolveImport(importer: string, specifier: string): string {
  return posix.join(posix.dirname(importer), specifier)
}
