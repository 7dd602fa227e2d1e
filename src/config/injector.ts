import type { EnrolmentOption } from './enrolment.ts'
import type { ConfigOf } from './option.ts'
import { sidecarOptions } from './sidecar.ts'

/** Options of `outrider inject`: what every pod gets that says nothing else in its annotations. */
export const injectOptions = {
  image: {
    type: 'string',
    default: 'outrider:0.1.0',
    pattern: '[A-Za-z0-9][\\w./:@-]{0,254}',
    expects: 'the name of an image',
    doc: 'Image of the sidecar and of the capture step. A digest (`NAME@sha256:...`) never means another program tomorrow.',
  },
  trustDomain: {
    type: 'string',
    default: 'outrider.local',
    pattern: '[a-z0-9._-]{1,255}',
    expects: '1 to 255 lower-case letters, digits, dots, dashes or underscores',
    doc: 'Trust domain of the mesh: the sidecar asks for `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT`.',
  },
  meshControlAddress: {
    type: 'address',
    use: 'connect',
    default: 'outrider-control.outrider-system.svc:15010',
    doc: 'The control server, as sidecars in pods reach it.',
  },
  tokenAudience: {
    type: 'string',
    default: 'outrider',
    pattern: '[\\x21-\\x7e]{1,256}',
    expects: '1 to 256 visible characters',
    doc: 'Audience of the service-account token of the sidecar: `kubernetesAudience` of the control server.',
  },
  mode: {
    type: 'enum',
    values: ['redirect', 'tproxy', 'explicit'],
    default: 'redirect',
    doc: 'How traffic comes to the sidecar: captured by rules that a privileged step makes (redirect, tproxy), or by proxy settings, without privileges (explicit).',
  },
  cpuRequest: {
    type: 'string',
    default: '50m',
    pattern: '[0-9]{1,12}(?:\\.[0-9]{1,9})?(?:m|k|Ki|M|Mi|G|Gi|T|Ti)?',
    expects: 'a quantity such as 100m or 128Mi',
    doc: 'CPU that the sidecar asks for.',
  },
  cpuLimit: {
    type: 'string',
    default: '2',
    pattern: '[0-9]{1,12}(?:\\.[0-9]{1,9})?(?:m|k|Ki|M|Mi|G|Gi|T|Ti)?',
    expects: 'a quantity such as 100m or 128Mi',
    doc: 'Most CPU of the sidecar.',
  },
  memoryRequest: {
    type: 'string',
    default: '96Mi',
    pattern: '[0-9]{1,12}(?:\\.[0-9]{1,9})?(?:m|k|Ki|M|Mi|G|Gi|T|Ti)?',
    expects: 'a quantity such as 100m or 128Mi',
    doc: 'Memory that the sidecar asks for.',
  },
  memoryLimit: {
    type: 'string',
    default: '512Mi',
    pattern: '[0-9]{1,12}(?:\\.[0-9]{1,9})?(?:m|k|Ki|M|Mi|G|Gi|T|Ti)?',
    expects: 'a quantity such as 100m or 128Mi',
    doc: 'Most memory of the sidecar.',
  },
  kubernetesVersion: {
    type: 'string',
    default: '1.34',
    pattern: '1\\.[0-9]{1,3}',
    expects: 'a version such as 1.34',
    doc: 'Version of the cluster. Below 1.29, where native sidecars are not on by default, every pod is refused.',
  },
} as const

/** Of `outrider injector` alone. */
const ownOptions = {
  listen: {
    type: 'address',
    use: 'listen',
    default: '[::]:15417',
    doc: 'Where the API server sends its reviews, over TLS. Where the machine has no IPv6, [::] is 0.0.0.0. Anybody may ask: an answer changes nothing here.',
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
  meshNamespace: {
    type: 'string',
    default: 'outrider-system',
    pattern: '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?',
    expects: 'the name of a namespace',
    doc: 'Namespace of the control servers (their `kubernetesNamespace`). Resources that concern the whole mesh, and identities outside their namespace, are taken there alone.',
  },
  serviceName: {
    type: 'string',
    default: 'outrider-injector.outrider-system.svc',
    pattern: '[a-z0-9.-]{1,253}',
    expects: 'a DNS name',
    doc: 'What the API server calls this server. The certificate has to have this name: `spec.dnsNames` of our Workload.',
  },
  webhookConfiguration: {
    type: 'string',
    default: 'outrider-injector',
    optional: true,
    pattern: '[a-z0-9.-]{1,253}',
    expects: 'a name of small letters, digits, dots and dashes',
    doc: 'The MutatingWebhookConfiguration and the ValidatingWebhookConfiguration whose caBundle is kept equal to the trust bundle. Empty: somebody else does it.',
  },
  failurePolicy: {
    type: 'enum',
    values: ['fail', 'ignore'],
    default: 'fail',
    doc: 'What the API server does with a pod when this server does not answer: fail refuses it, ignore lets it run without a sidecar. Written to webhookConfiguration.',
  },
  kubernetesApi: {
    type: 'address',
    use: 'connect',
    default: 'kubernetes.default.svc:443',
    doc: 'The API server, whose webhook configurations are changed.',
  },
  kubernetesCaFile: {
    type: 'path',
    default: '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
    doc: 'PEM file of the authorities that the API server is verified with. Nothing else is believed for it.',
  },
  kubernetesApiTokenFile: {
    type: 'path',
    default: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    doc: 'Our token for the API server; read for each call.',
  },
  maxReviewBytes: {
    type: 'integer',
    default: 4_194_304,
    min: 65_536,
    max: 33_554_432,
    unit: 'bytes',
    doc: 'Largest review; a larger one is refused with 413. An API server takes objects of up to 3 MiB.',
  },
  maxHeldBytes: {
    type: 'integer',
    default: 33_554_432,
    min: 1_048_576,
    max: 1_073_741_824,
    unit: 'bytes',
    doc: 'Bytes of all reviews that are being read. Above it new ones are refused with 503, and failurePolicy says what becomes of the pod.',
  },
  reviewTimeoutMs: {
    type: 'duration',
    default: '5s',
    min: '100ms',
    max: '30s',
    doc: 'How long a review may take to arrive. The API server waits 10 s for its answer.',
  },
  drainTimeoutMs: {
    type: 'duration',
    default: '10s',
    min: '0',
    max: '5m',
    doc: 'How long reviews in flight may take to finish when the process stops.',
  },
  logLevel: {
    type: 'enum',
    values: ['trace', 'debug', 'info', 'warn', 'error'],
    default: 'info',
    doc: 'Least severe level of the diagnostic log, which goes to the standard error.',
  },
} as const

/** Options of `outrider injector`. */
export const injectorOptions: typeof ownOptions & typeof injectOptions & Pick<typeof sidecarOptions, EnrolmentOption> =
  {
    ...ownOptions,
    ...injectOptions,
    controlAddress: sidecarOptions.controlAddress,
    joinToken: sidecarOptions.joinToken,
    joinTokenFile: sidecarOptions.joinTokenFile,
    attestation: sidecarOptions.attestation,
    spiffeId: sidecarOptions.spiffeId,
    kubernetesTokenFile: sidecarOptions.kubernetesTokenFile,
    x509CertFile: sidecarOptions.x509CertFile,
    x509KeyFile: sidecarOptions.x509KeyFile,
    trustBundleFile: sidecarOptions.trustBundleFile,
    rootSha256: sidecarOptions.rootSha256,
  }

export type InjectConfig = ConfigOf<typeof injectOptions>
export type InjectorConfig = ConfigOf<typeof injectorOptions>
