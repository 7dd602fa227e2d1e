/** Reads the options of a client program, `--name value` each. The function returned throws for a name that was not given. */
export function readWords(argv: readonly string[]): (name: string) => string {
  const given = new Map<string, string>()
  for (let index = 0; index < argv.length; index += 2) given.set(argv[index] ?? '', argv[index + 1] ?? '')
  return (name) => {
    const value = given.get(`--${name}`)
    if (value === undefined) throw new Error(`no --${name}`)
    return value
  }
}
