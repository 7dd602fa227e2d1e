// Writes src/wire from the .proto files: their types, and what they say for the program to read at its start without a parser.
// With --check, compares instead and fails on a difference.
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

const protoFolder = dirname(fileURLToPath(import.meta.url))
const wireFolder = join(protoFolder, '..', 'src', 'wire')
const generator = join(
  protoFolder,
  '..',
  'node_modules',
  '@grpc',
  'proto-loader',
  'build',
  'bin',
  'proto-loader-gen-types.js',
)

/** Must equal the options in src/rpc/load.ts: the types describe what is made there. */
const options = ['--longs=Number', '--enums=String', '--defaults', '--oneofs', '--grpcLib=@grpc/grpc-js']
const extensions = ['--importFileExtension=.ts', '--targetFileExtension=.ts']

function generate(outDir: string): void {
  const protos = globSync('**/*.proto', { cwd: protoFolder }).toSorted()
  generateTypes(protos, outDir)
  writeFileSync(join(outDir, 'contract.ts'), contractsText())
}

/** What a process loads together, with what these import: a sidecar has no use for most of it. */
const contracts: Readonly<Record<string, readonly string[]>> = {
  identity: ['identity/v1/identity.proto'],
  policy: ['policy/v1/policy.proto'],
  admin: ['admin/v1/admin.proto'],
  workload: ['spiffe/workload.proto'],
  authorization: ['envoy/service/auth/v3/external_auth.proto'],
  health: ['grpc/health.proto'],
  secrets: ['envoy/service/secret/v3/sds.proto', 'envoy/extensions/transport_sockets/tls/v3/tls.proto'],
}

/** As texts: nothing is left of one that was read, and one that is not takes a tenth of what its objects would. */
function contractsText(): string {
  const lines = Object.entries(contracts).map(([name, protos]) => `  ${name}:\n    '${contractOf(protos)}',\n`)
  return `// From proto/\nexport const contracts = {\n${lines.join('')}} as const\n`
}

function contractOf(protos: readonly string[]): string {
  const root = new protobuf.Root()
  // Imports name files from proto/ on; google/protobuf comes with protobufjs, wherever it is looked for.
  root.resolvePath = (_origin, target) => join(protoFolder, target)
  root.loadSync([...protos]).resolveAll()
  const text = JSON.stringify(root)
  if (/['\\\n]/.test(text)) throw new Error(`${protos.join(', ')}: not to be put between apostrophes as it is`)
  return text
}

function generateTypes(protos: readonly string[], outDir: string): void {
  execFileSync(
    process.execPath,
    [generator, ...options, ...extensions, `--includeDirs=${protoFolder}`, `--outDir=${outDir}`, ...protos],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  for (const file of globSync('**/*.ts', { cwd: outDir })) {
    const path = join(outDir, file)
    // The generator writes the checkout's place on this machine into a comment: keep what is the same everywhere.
    const text = readFileSync(path, 'utf8').replace(/^\/\/ Original file: (?:.*\/proto\/)?/gm, '// From ')
    writeFileSync(path, text.includes(': SubtypeConstructor<') ? text : text.replace(forServices, ''))
  }
}

/** What the generator writes for services, and where there are none too: it would be unused. */
const forServices =
  /^import type \* as grpc from '@grpc\/grpc-js';\n|^type SubtypeConstructor<.*\n {2}new\(.*\n\};\n\n/gm

function contents(folder: string): Map<string, string> {
  const files = globSync('**/*.ts', { cwd: folder }).toSorted()
  return new Map(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]))
}

const fresh = mkdtempSync(join(tmpdir(), 'outrider-wire-'))
try {
  generate(fresh)
  if (process.argv.includes('--check')) {
    const wanted = contents(fresh)
    const present = contents(wireFolder)
    const differing = [...new Set([...wanted.keys(), ...present.keys()])].filter(
      (file) => wanted.get(file) !== present.get(file),
    )
    for (const file of differing) console.error(`src/wire/${file} is not what proto/ says: run npm run generate`)
    if (differing.length > 0) process.exitCode = 1
    else console.log(`src/wire: ${wanted.size} files are current`)
  } else {
    rmSync(wireFolder, { recursive: true, force: true })
    cpSync(fresh, wireFolder, { recursive: true })
  }
} finally {
  rmSync(fresh, { recursive: true, force: true })
}
