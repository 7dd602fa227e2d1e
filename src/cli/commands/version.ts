import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../lib/package-root.ts'
import { type Command, defineCommand, exitCode } from '../command.ts'

interface Manifest {
  readonly version: string
}

/** The version of this program, as package.json has it. */
export function programVersion(): string {
  const manifest: Manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  return manifest.version
}

export const command: Command = defineCommand({
  name: 'version',
  summary: 'Print the version',
  usage: '',
  options: {},
  async run({ stdout }) {
    stdout.write(`outrider ${programVersion()} (node ${process.version})\n`)
    return exitCode.ok
  },
})
