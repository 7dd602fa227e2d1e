import { join } from 'node:path'
import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { packageRoot } from '../lib/package-root.ts'
import type { ProtoGrpcType as AdminProto } from '../wire/admin.ts'
import type { ProtoGrpcType as IdentityProto } from '../wire/identity.ts'
import type { ProtoGrpcType as PolicyProto } from '../wire/policy.ts'

/** The services and messages of one process contract each, as proto/ describes them. */
export interface Protocols {
  readonly identity: IdentityProto['outrider']['identity']['v1']
  readonly policy: PolicyProto['outrider']['policy']['v1']
  readonly admin: AdminProto['outrider']['admin']['v1']
}

/** Must equal the options in proto/generate.ts: the types of src/wire describe what these make. */
const OPTIONS = { longs: Number, enums: String, defaults: true, oneofs: true } as const

const FILES = ['identity/v1/identity.proto', 'policy/v1/policy.proto', 'admin/v1/admin.proto']

let loaded: Protocols | undefined

/** Reads the .proto files at the first call; later calls get the same. */
export function protocols(): Protocols {
  if (loaded === undefined) {
    const definition = loadSync(FILES, { ...OPTIONS, includeDirs: [join(packageRoot, 'proto')] })
    const tree = typed(grpc.loadPackageDefinition(definition))
    loaded = { identity: tree.outrider.identity.v1, policy: tree.outrider.policy.v1, admin: tree.outrider.admin.v1 }
  }
  return loaded
}

/** grpc-js types its tree as a bag of anything: src/wire, generated from the same files, says what is in it. */
function typed(tree: unknown): AdminProto & IdentityProto & PolicyProto {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return tree as AdminProto & IdentityProto & PolicyProto
}
