import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Debian installs servers in the sbin folders, which an ordinary user's PATH lacks; Envoy is put where README.md says. */
const MORE_FOLDERS: readonly string[] = [
  '/usr/local/sbin',
  '/usr/sbin',
  '/sbin',
  join(homedir(), '.cache', 'outrider-bench', 'envoy', '_bin'),
]

/** The path of `name` in PATH or a folder of `MORE_FOLDERS`, or undefined. */
export function findExecutable(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...MORE_FOLDERS]
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** `undefined` when `name` can be run, or what to say when it cannot. */
export function missingExecutable(name: string): string | undefined {
  return findExecutable(name) === undefined ? `${name} executable not found` : undefined
}

/** As `findExecutable`; throws where there is none. */
export function executable(name: string): string {
  const found = findExecutable(name)
  if (found === undefined) throw new Error(`${name} executable not found`)
  return found
}

/** What a program says about its version: the part of its output that `pattern` captures, on whichever stream. */
export function versionOf(name: string, args: readonly string[], pattern: RegExp): string {
  const file = findExecutable(name)
  if (file === undefined) return 'not found'
  const { stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 5000 })
  return pattern.exec(`${stdout}\n${stderr}`)?.[1] ?? 'unknown'
}
