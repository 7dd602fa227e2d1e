import { OutriderError } from '../lib/errors.ts'
import { type ConfigSources, loadConfig } from './load.ts'
import type { ConfigOf } from './option.ts'

/** Options of `outrider control`. */
export const controlOptions = {
  data: {
    type: 'path',
    default: '/var/lib/outrider',
    doc: 'Folder of the database and of the keys of the certificate authority. Only its owner may read it; it is all there is to back up.',
  },
  listen: {
    type: 'address',
    use: 'listen',
    default: '0.0.0.0:15412',
    doc: 'Where sidecars connect. All addresses, because sidecars are on other machines; without a token or a certificate of this mesh nothing is answered.',
  },
  adminSocket: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'Unix socket of the administration API, open to the owner of the process alone. Empty: `admin.sock` in the data folder.',
  },
  admin: {
    type: 'address',
    use: 'listen',
    default: '127.0.0.1:15490',
    loopback: true,
    optional: true,
    doc: 'Health, metrics and the log level over HTTP. Loopback only: it asks nobody who they are. Empty: there is none.',
  },
  health: {
    type: 'address',
    use: 'listen',
    default: '',
    optional: true,
    doc: 'Where a kubelet asks for /live and /ready, such as [::]:15020; nothing else is answered there, and nobody is asked who he is. Where the machine has no IPv6, [::] is 0.0.0.0. Empty: nowhere.',
  },
  trustDomain: {
    type: 'string',
    default: 'outrider.local',
    pattern: '[a-z0-9._-]{1,255}',
    expects: '1 to 255 lower-case letters, digits, dots, dashes or underscores',
    doc: 'Trust domain of all identities that are issued. Fixed at the first start, when the root certificate is made for it.',
  },
  caCertificatesFile: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'PEM file of a CA of your own for the first start: the certificate that signs first, its root last. Empty: a root is made. A root later: `outrider ca prepare`.',
  },
  caKeyFile: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'PEM file of the private key of the first certificate in `caCertificatesFile`, P-256 or P-384. It is copied into the data folder, or with `store: kubernetes` into the Secret of the CA.',
  },
  bundleEndpoint: {
    type: 'address',
    use: 'listen',
    default: '',
    optional: true,
    doc: 'Where the trust bundle of this mesh is published for meshes that federate with it, as a SPIFFE bundle endpoint over TLS. Empty: nowhere.',
  },
  bundleEndpointProfile: {
    type: 'enum',
    values: ['https_spiffe', 'https_web'],
    default: 'https_spiffe',
    doc: 'How others know the bundle endpoint: by its SPIFFE ID `/outrider/control`, or by a certificate of the Web PKI for its host name.',
  },
  bundleEndpointCertificateFile: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'PEM file of the certificate chain of the bundle endpoint, for `https_web`. Read anew when it changes.',
  },
  bundleEndpointKeyFile: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'PEM file of the private key that belongs to `bundleEndpointCertificateFile`.',
  },
  bundleRefreshHintMs: {
    type: 'duration',
    default: '5m',
    min: '10s',
    max: '24h',
    doc: 'How soon others are told to ask the bundle endpoint again. A root must be published for longer than this before it signs.',
  },
  svidTtlMs: {
    type: 'duration',
    default: '24h',
    min: '10s',
    max: '90d',
    doc: 'Lifetime of the certificates of workloads; a workload may ask for its own in its Workload resource. Renewed at half of it, so the default outlives half a day without a control server.',
  },
  debounceMs: {
    type: 'duration',
    default: '100ms',
    min: '0',
    max: '1m',
    doc: 'How long a change waits for further changes before it is sent to sidecars, so that a burst becomes one update.',
  },
  debounceMaxMs: {
    type: 'duration',
    default: '10s',
    min: '0',
    max: '10m',
    doc: 'Longest wait of a change while others keep coming.',
  },
  nackBackoffMs: {
    type: 'duration',
    default: '5s',
    min: '100ms',
    max: '10m',
    doc: 'How long to wait before a sidecar is sent again what it could not apply.',
  },
  endpointGraceMs: {
    type: 'duration',
    default: '30s',
    min: '0',
    max: '1h',
    doc: 'How long the endpoints of a sidecar stay after its stream is lost: a restarted control server must not empty the mesh.',
  },
  attestPerSecond: {
    type: 'integer',
    default: 1,
    min: 1,
    max: 10_000,
    unit: 'per second',
    doc: 'First certificates that one source address may ask for, sustained. Tokens cannot be guessed at this rate.',
  },
  attestBurst: {
    type: 'integer',
    default: 20,
    min: 1,
    max: 100_000,
    doc: 'First certificates that one source address may ask for at once: a machine with many workloads that starts.',
  },
  signPerSecond: {
    type: 'integer',
    default: 500,
    min: 2,
    max: 100_000,
    unit: 'per second',
    doc: 'Certificates that are signed, sustained and at once. First ones get half of it at most, so that newcomers never keep sidecars that are here from renewing.',
  },
  expiredRenewalMs: {
    type: 'duration',
    default: '24h',
    min: '0',
    max: '90d',
    doc: 'How long after its end a certificate may still be renewed by who has its key, so that sidecars with a join token survive an outage of this server that is longer than their certificates. 0: not at all.',
  },
  store: {
    type: 'enum',
    values: ['sqlite', 'kubernetes'],
    default: 'sqlite',
    doc: 'Where resources are kept: in the database of this server, where `outrider apply` writes them (`sqlite`), or in the API server of a cluster, of which this server keeps a copy (`kubernetes`).',
  },
  kubernetesNamespace: {
    type: 'string',
    default: 'outrider-system',
    pattern: '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?',
    expects: 'the name of a namespace',
    doc: 'Namespace of the control server itself, with the Secret of its certificate authority and the Leases by which its servers know each other. Resources that concern the whole mesh, and identities outside their namespace, are taken there alone. With `store: kubernetes`.',
  },
  caSecretFolder: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'Folder where the kubelet mounts the Secret of the certificate authority: a start takes it from there while the API server does not answer. Empty: a start waits for the API server. With `store: kubernetes`.',
  },
  kubernetesNamespaces: {
    type: 'string',
    default: '',
    optional: true,
    pattern: '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(,[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?){0,19}',
    expects: 'up to 20 namespaces with commas between',
    doc: 'The namespaces whose resources, Services and pods are of this mesh, besides `kubernetesNamespace`. Empty: all. With `store: kubernetes`.',
  },
  kubernetesServerName: {
    type: 'string',
    default: '',
    optional: true,
    pattern: '[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?',
    expects: 'a name of Kubernetes: lower-case letters, digits, dots and dashes',
    doc: 'What this control server is called in the status of resources; no two may have one name. Empty: the host name, which in a pod is that of the pod.',
  },
  kubernetesMaxObjects: {
    type: 'integer',
    default: 50_000,
    min: 100,
    max: 1_000_000,
    doc: 'Most objects of one type that are read from the cluster; with more, nothing new of that type is taken. With `store: kubernetes`.',
  },
  clusterDomain: {
    type: 'string',
    default: 'cluster.local',
    pattern: '[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?',
    expects: 'a domain name in lower case',
    doc: 'Domain of the names of Services in the cluster, `NAME.NAMESPACE.svc.DOMAIN`. With `store: kubernetes`.',
  },
  kubernetes: {
    type: 'enum',
    values: ['off', 'token-review', 'jwks'],
    default: 'off',
    doc: 'Takes projected service-account tokens of Kubernetes as evidence: verified by the API server (`token-review`), or here with the keys of the cluster (`jwks`).',
  },
  kubernetesAudience: {
    type: 'string',
    default: 'outrider',
    pattern: '[\\x21-\\x7e]{1,256}',
    expects: '1 to 256 visible characters',
    doc: 'Audience that service-account tokens must be made for. One of its own: a token for the API server must open nothing here.',
  },
  kubernetesApi: {
    type: 'address',
    use: 'connect',
    default: 'kubernetes.default.svc:443',
    doc: 'The API server that is asked with `token-review`, and that holds the resources with `store: kubernetes`.',
  },
  kubernetesCaFile: {
    type: 'path',
    default: '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
    doc: 'PEM file of the authorities that the API server is verified with. Nothing else is believed for it.',
  },
  kubernetesTokenFile: {
    type: 'path',
    default: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    doc: 'Our own token for the API server; read for each call.',
  },
  kubernetesIssuer: {
    type: 'string',
    default: '',
    optional: true,
    doc: 'Issuer of service-account tokens, letter by letter. Needed with `jwks`.',
  },
  kubernetesJwks: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'The keys of the cluster: a JWK set in a file, or at an https:// address, which may be that of the API server (`https://HOST:PORT/openid/v1/jwks`). Needed with `jwks`.',
  },
  x509Roots: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'PEM file of roots. Who has the key of a certificate below one of them may show it as evidence. Empty: nobody.',
  },
  attestSocket: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'Unix socket on which processes of this machine attest by what the kernel says of them (user, group, program). Everybody who can enter its folder may open it. Empty: there is none.',
  },
  auditLogPath: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'File that every issue, refusal and revocation is appended to. While it cannot be written no certificate is given out. Empty: `audit.log` in the data folder.',
  },
  maxMessageBytes: {
    type: 'integer',
    default: 4_194_304,
    min: 65_536,
    max: 268_435_456,
    unit: 'bytes',
    doc: 'Largest message of the gRPC services, in both directions.',
  },
  maxSidecars: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Most sidecars connected at the same time; the next one is told to come back later.',
  },
  logLevel: {
    type: 'enum',
    values: ['trace', 'debug', 'info', 'warn', 'error'],
    default: 'info',
    doc: 'Least severe level of the diagnostic log, which goes to the standard error.',
  },
} as const

export type ControlConfig = ConfigOf<typeof controlOptions>

/** As `loadConfig`, and checks what more than one option decides. */
export function loadControlConfig(sources: ConfigSources<typeof controlOptions>): ControlConfig {
  const config = loadConfig(controlOptions, sources)
  if (config.debounceMs > config.debounceMaxMs) {
    throw new OutriderError(
      'config-options-disagree',
      `debounceMs (${config.debounceMs}) must not be above debounceMaxMs (${config.debounceMaxMs})`,
      { place: 'debounceMs' },
    )
  }
  if (config.kubernetes === 'jwks' && (config.kubernetesIssuer === undefined || config.kubernetesJwks === undefined)) {
    throw new OutriderError('config-options-disagree', 'kubernetes: jwks needs kubernetesIssuer and kubernetesJwks', {
      place: 'kubernetes',
    })
  }
  if ((config.caCertificatesFile === undefined) !== (config.caKeyFile === undefined)) {
    throw new OutriderError(
      'config-options-disagree',
      'caCertificatesFile and caKeyFile go together: give both or neither',
      { place: 'caKeyFile' },
    )
  }
  const { bundleEndpoint, bundleEndpointProfile, bundleEndpointCertificateFile, bundleEndpointKeyFile } = config
  const files = [bundleEndpointCertificateFile, bundleEndpointKeyFile].filter((file) => file !== undefined).length
  const web = bundleEndpoint !== undefined && bundleEndpointProfile === 'https_web'
  if (files !== (web ? 2 : 0)) {
    throw new OutriderError(
      'config-options-disagree',
      web
        ? 'https_web needs bundleEndpointCertificateFile and bundleEndpointKeyFile'
        : 'bundleEndpointCertificateFile and bundleEndpointKeyFile are for a bundleEndpoint with the profile https_web',
      { place: 'bundleEndpointProfile' },
    )
  }
  return config
}
