import { join } from 'node:path'
import type grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import protobuf from 'protobufjs'
import t from 'tap'
import { packageRoot } from '../../../src/lib/package-root.ts'
import { protocols } from '../../../src/rpc/load.ts'

const includeDirs = [join(packageRoot, 'proto')]
const files = ['identity/v1/identity.proto', 'policy/v1/policy.proto', 'admin/v1/admin.proto']
/** The .proto files as the library reads them that the types in src/wire are made for. */
const reference = loadSync(files, { includeDirs, longs: Number, enums: String, defaults: true, oneofs: true })
const root = new protobuf.Root()
root.resolvePath = (_origin, target) => join(packageRoot, 'proto', target)
root.loadSync(files).resolveAll()

/** A message with a value in every field, but in one field only of each oneof. */
function filled(type: protobuf.Type): Record<string, unknown> {
  const fields = type.fieldsArray.filter((field) => field.partOf === null || field.partOf.fieldsArray[0] === field)
  return Object.fromEntries(
    fields.map((field) => {
      const value = valueOf(field.resolve())
      return [field.name, field.repeated ? [value, value] : value]
    }),
  )
}

function valueOf({ type, resolvedType }: protobuf.Field): unknown {
  if (resolvedType instanceof protobuf.Type) return filled(resolvedType)
  if (resolvedType instanceof protobuf.Enum) return Object.keys(resolvedType.values).at(-1)
  if (type === 'string') return 'text \u{1f600}'
  if (type === 'bytes') return Buffer.from([0, 255])
  return type === 'bool' ? true : 4_000_000_000
}

const services = [
  ['outrider.identity.v1.IdentityService', protocols().identity.IdentityService.service],
  ['outrider.policy.v1.PolicyService', protocols().policy.PolicyService.service],
  ['outrider.admin.v1.AdminService', protocols().admin.AdminService.service],
] as const satisfies readonly (readonly [string, grpc.ServiceDefinition])[]

for (const [name, made] of services) {
  t.test(`${name} is what its .proto file says, on the wire and in memory`, async (t) => {
    const wanted = reference[name]
    if (wanted === undefined || 'format' in wanted) throw new Error(`${name} is no service`)
    t.same(Object.keys(made), Object.keys(wanted))
    for (const [method, { path, requestStream, responseStream, originalName, ...codecs }] of Object.entries(made)) {
      const of = wanted[method]!
      t.match(of, { path, requestStream, responseStream, originalName }, method)
      const service = root.lookupService(name)
      const { requestType, responseType } = service.methods[method]!
      const request = filled(service.lookupType(requestType))
      const response = filled(service.lookupType(responseType))
      const [requestBytes, responseBytes] = [of.requestSerialize(request), of.responseSerialize(response)]
      t.same(codecs.requestSerialize(request), requestBytes, `${method}: request`)
      t.same(codecs.responseSerialize(response), responseBytes, `${method}: response`)
      for (const bytes of [requestBytes, Buffer.alloc(0)])
        t.strictSame(
          codecs.requestDeserialize(bytes),
          of.requestDeserialize(bytes),
          `${method}: request, ${bytes.length}`,
        )
      for (const bytes of [responseBytes, Buffer.alloc(0)])
        t.strictSame(codecs.responseDeserialize(bytes), of.responseDeserialize(bytes), `${method}: response`)
    }
  })
}
