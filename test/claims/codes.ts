import { read, sourceFiles, withoutComments } from './sources.ts'

const quoted = /'([a-z][a-z0-9]*(?:[-.][a-z0-9]+)*)'/g
const texts = "'[^']+'(?:\\s*\\|\\s*'[^']+')*"

/** The places in which code says a code; each captures text that holds the codes in quotes. */
const places: readonly RegExp[] = [
  /new OutriderError(?:<[^>]*>)?\(\s*('[^']+')/g,
  // Fields and parameters: `code: 'x'` of a violation or a refusal, `code: 'x' | 'y'` of a type.
  new RegExp(`\\bcode\\??:\\s*(${texts})`, 'g'),
  // type SomeErrorCode = 'x' | 'y'
  new RegExp(`\\btype \\w*Code =\\s*\\|?\\s*(${texts})`, 'g'),
  new RegExp(`\\btype \\w*Code =\\s*(?:\\w+\\s*\\|\\s*)+(${texts})`, 'g'),
  // const someErrorCodes = ['x', 'y'], const SOME_CODES = { NAME: 'x' }
  /\bconst \w*C(?:odes|ODES)\b[^=]*= (\[[^\]]*\])/g,
  /\bconst \w*C(?:odes|ODES)\b[^=]*= (\{[\s\S]*?\n\})/g,
]

/** Every code that an error, a violation or a refusal of src can have, with the files that say it. */
export function codesInSource(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const file of sourceFiles('src')) {
    if (file.startsWith('src/wire/')) continue
    const code = withoutComments(read(file))
    for (const place of places) {
      for (const [, text = ''] of code.matchAll(place)) {
        for (const [, name = ''] of text.matchAll(quoted)) {
          found.set(name, [...new Set([...(found.get(name) ?? []), file])])
        }
      }
    }
  }
  return found
}
