import grpc from '@grpc/grpc-js'
// Without the parser of .proto files, which has done its work when the program was built.
import protobuf from 'protobufjs/light.js'
import type { ProtoGrpcType as AdminProto } from '../wire/admin.ts'
import { contracts } from '../wire/contract.ts'
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

/** How each is built of its root. */
const builders: { readonly [Name in keyof Protocols]: (root: protobuf.Root) => object } = {
  identity: (root) => ({
    IdentityService: clientOf(root, 'outrider.identity.v1.IdentityService'),
    IssuedSvid: codecOf(root.lookupType('outrider.identity.v1.IssuedSvid')),
  }),
  policy: (root) => ({
    PolicyService: clientOf(root, 'outrider.policy.v1.PolicyService'),
    EncodedPolicyUpdate: codecOf(root.lookupType('outrider.policy.v1.EncodedPolicyUpdate')),
    Resource: codecOf(root.lookupType('outrider.policy.v1.Resource')),
  }),
  admin: (root) => ({
    AdminService: clientOf(root, 'outrider.admin.v1.AdminService'),
    ApplyRefusal: codecOf(root.lookupType('outrider.admin.v1.ApplyRefusal')),
  }),
  workload: (root) => ({ SpiffeWorkloadAPI: clientOf(root, 'SpiffeWorkloadAPI') }),
  authorization: (root) => ({ Authorization: clientOf(root, 'envoy.service.auth.v3.Authorization') }),
  health: (root) => ({ Health: clientOf(root, 'grpc.health.v1.Health') }),
  secrets: (root) => ({
    SecretDiscoveryService: clientOf(root, 'envoy.service.secret.v3.SecretDiscoveryService'),
    Secret: codecOf(root.lookupType(`${TLS}.Secret`)),
    SPIFFECertValidatorConfig: codecOf(root.lookupType(`${TLS}.SPIFFECertValidatorConfig`)),
  }),
}

const built = new Map<keyof Protocols, unknown>()

function part<Name extends keyof Protocols>(name: Name): Protocols[Name] {
  if (!built.has(name)) {
    const root = protobuf.Root.fromJSON(JSON.parse(contracts[name]))
    root.resolveAll()
    built.set(name, builders[name](root))
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- grpc-js types its clients as bags of anything: src/wire, generated from the same files, says what is in them
  return built.get(name) as Protocols[Name]
}

const all: Protocols = {
  get identity() {
    return part('identity')
  },
  get policy() {
    return part('policy')
  },
  get admin() {
    return part('admin')
  },
  get workload() {
    return part('workload')
  },
  get authorization() {
    return part('authorization')
  },
  get health() {
    return part('health')
  },
  get secrets() {
    return part('secrets')
  },
}

/** Each is built when it is first asked for: a sidecar speaks two of them. Later calls get the same. */
export function protocols(): Protocols {
  return all
}

function clientOf(root: protobuf.Root, name: string): unknown {
  return grpc.makeGenericClientConstructor(serviceOf(root.lookupService(name)), name)
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
