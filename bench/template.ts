import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Fills the `{{names}}` of bench/peers/`template` and writes the result to `file`. Throws on a name without a value.
 * Returns `file`.
 */
export function renderPeer(template: string, file: string, values: Readonly<Record<string, string | number>>): string {
  const text = readFileSync(join(import.meta.dirname, 'peers', template), 'utf8')
  const filled = text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`bench/peers/${template}: no value for {{${name}}}`)
    return String(value)
  })
  writeFileSync(file, filled)
  return file
}
