import grpc from '@grpc/grpc-js'
// Without the parser of .proto files, which has done its work when the program was built.
import protobuf from 'protobufjs/light.js'
import type { ProtoGrpcType as AdminProto } from '../wire/admin.ts'
import { contract } from '../wire/contract.ts'
import type { ProtoGrpcType as AuthorizationProto } from '../wire/external_auth.ts'
import type { ProtoGrpcType as HealthProto } from '../wire/health.ts'
import type { ProtoGrpcType as IdentityProto } from '../wire/identity.ts'
import type { ProtoGrpcType as PolicyProto } from '../wire/policy.ts'
import type { ProtoGrpcType as SecretsProto } from '../wire/sds.ts'
import type { ProtoGrpcType as TlsProto } from '../wire/tls.ts'
import type { ProtoGrpcType as WorkloadProto } from '../wire/workload.ts'

type Identity = IdentityProto['outrider']['identity']['v1']
type Policy = PolicyProto['outrider']['policy']['v1']
type Admin = AdminProto['outrider']['admin']['v1']
type Authorization = AuthorizationProto['envoy']['service']['auth']['v3']
type Health = HealthProto['grpc']['health']['v1']
type Secrets = SecretsProto['envoy']['service']['secret']['v3']
type Tls = TlsProto['envoy']['extensions']['transport_sockets']['tls']['v3']

/** The services of the process contracts, and the messages that travel outside of calls, as proto/ describes them. */
export interface Protocols {
  readonly identity: Pick<Identity, 'IdentityService'> & {
    readonly IssuedSvid: Pick<Identity['IssuedSvid'], 'serialize' | 'deserialize'>
  }
  readonly policy: Pick<Policy, 'PolicyService'> & {
    readonly EncodedPolicyUpdate: Pick<Policy['EncodedPolicyUpdate'], 'serialize' | 'deserialize'>
    readonly Resource: Pick<Policy['Resource'], 'serialize' | 'deserialize'>
  }
  readonly admin: Pick<Admin, 'AdminService'> & {
    readonly ApplyRefusal: Pick<Admin['ApplyRefusal'], 'serialize' | 'deserialize'>
  }
  readonly workload: Pick<WorkloadProto, 'SpiffeWorkloadAPI'>
  readonly authorization: Pick<Authorization, 'Authorization'>
  readonly health: Pick<Health, 'Health'>
  readonly secrets: Pick<Secrets, 'SecretDiscoveryService'> & {
    readonly Secret: Pick<Tls['Secret'], 'serialize' | 'deserialize'>
    readonly SPIFFECertValidatorConfig: Pick<Tls['SPIFFECertValidatorConfig'], 'serialize' | 'deserialize'>
  }
}

/** Must equal the options in proto/generate.ts: the types of src/wire describe what these make. */
const OPTIONS = { longs: Number, enums: String, defaults: true, oneofs: true } as const

const TLS = 'envoy.extensions.transport_sockets.tls.v3'

let loaded: Protocols | undefined

/** Builds the codecs at the first call; later calls get the same. */
export function protocols(): Protocols {
  if (loaded === undefined) {
    const root = protobuf.Root.fromJSON(contract).resolveAll()
    const client = (name: string): unknown =>
      grpc.makeGenericClientConstructor(serviceOf(root.lookupService(name)), name)
    loaded = typed({
      identity: {
        IdentityService: client('outrider.identity.v1.IdentityService'),
        IssuedSvid: codecOf(root.lookupType('outrider.identity.v1.IssuedSvid')),
      },
      policy: {
        PolicyService: client('outrider.policy.v1.PolicyService'),
        EncodedPolicyUpdate: codecOf(root.lookupType('outrider.policy.v1.EncodedPolicyUpdate')),
        Resource: codecOf(root.lookupType('outrider.policy.v1.Resource')),
      },
      admin: {
        AdminService: client('outrider.admin.v1.AdminService'),
        ApplyRefusal: codecOf(root.lookupType('outrider.admin.v1.ApplyRefusal')),
      },
      workload: { SpiffeWorkloadAPI: client('SpiffeWorkloadAPI') },
      authorization: { Authorization: client('envoy.service.auth.v3.Authorization') },
      health: { Health: client('grpc.health.v1.Health') },
      secrets: {
        SecretDiscoveryService: client('envoy.service.secret.v3.SecretDiscoveryService'),
        Secret: codecOf(root.lookupType(`${TLS}.Secret`)),
        SPIFFECertValidatorConfig: codecOf(root.lookupType(`${TLS}.SPIFFECertValidatorConfig`)),
      },
    })
  }
  return loaded
}

interface Codec {
  readonly serialize: (message: object) => Buffer
  readonly deserialize: (bytes: Uint8Array) => object
}

function codecOf(type: protobuf.Type): Codec {
  return {
    serialize: (message) => {
      const bytes = type.encode(type.fromObject(message)).finish()
      return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes)
    },
    deserialize: (bytes) => type.toObject(type.decode(bytes), OPTIONS),
  }
}

function serviceOf(service: protobuf.Service): grpc.ServiceDefinition {
  return Object.fromEntries(service.methodsArray.map((method) => [method.name, methodOf(service, method)]))
}

function methodOf(service: protobuf.Service, method: protobuf.Method): grpc.MethodDefinition<object, object> {
  const { name, requestType, responseType, requestStream = false, responseStream = false } = method
  const request = codecOf(service.lookupType(requestType))
  const response = codecOf(service.lookupType(responseType))
  return {
    path: `/${service.fullName.slice(1)}/${name}`,
    // Under this name too the client has the method.
    originalName: name.charAt(0).toLowerCase() + name.slice(1),
    requestStream,
    responseStream,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: response.serialize,
    responseDeserialize: response.deserialize,
  }
}

/** grpc-js types its clients as bags of anything: src/wire, generated from the same files, says what is in them. */
function typed(tree: unknown): Protocols {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return tree as Protocols
}
