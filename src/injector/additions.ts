import { type AppPort, portText } from './app-ports.ts'
import {
  type Mode,
  ports,
  REDIRECT,
  RUN_VOLUME,
  SIDECAR,
  SIDECAR_UID,
  STATE_VOLUME,
  TOKEN_VOLUME,
  TRUST_VOLUME,
} from './names.ts'
import type { Fields } from './pod.ts'
import type { InjectSettings, PodSettings } from './settings.ts'

const STATE_PATH = '/var/lib/outrider'
const RUN_PATH = '/run/outrider'
const TOKEN_PATH = '/var/run/secrets/outrider'
const TRUST_PATH = '/var/run/outrider/trust'
const TRUST_CONFIG_MAP = 'outrider-trust'
const TOKEN_SECONDS = 3600
/** How long the sidecar may take to its identity and policy, before it is started anew; a probe each second. */
const START_SECONDS = 120
/** DNS has to work before there is any policy, and the policy knows no resolver. */
const DNS_PORT = 53

export interface Addition {
  readonly settings: InjectSettings
  readonly pod: PodSettings
  readonly appPorts: readonly AppPort[]
  /** What the kubelet may have probed through the sidecar; see `probes` of `outrider sidecar`. */
  readonly probes: readonly string[]
}

/** The containers in the order in which they start. */
export function addedContainers(addition: Addition): Fields[] {
  const sidecar = sidecarContainer(addition)
  return addition.pod.mode === 'explicit' ? [sidecar] : [redirectContainer(addition), sidecar]
}

/** Makes the capture rules of the pod and ends. The only container with privileges. */
function redirectContainer({ pod }: Addition): Fields {
  const flags = {
    mode: pod.mode,
    'inbound-port': ports.captureInbound,
    'outbound-port': ports.captureOutbound,
    uid: SIDECAR_UID,
    gid: SIDECAR_UID,
    'exclude-inbound-ports': [ports.health, ...pod.excludeInboundPorts].join(','),
    'exclude-outbound-ports': [DNS_PORT, ...pod.excludeOutboundPorts].join(','),
    'exclude-outbound-ranges': pod.excludeOutboundRanges.join(','),
    'exclude-interfaces': pod.excludeInterfaces.join(','),
  }
  return {
    name: REDIRECT,
    image: pod.image,
    args: [
      'redirect',
      'apply',
      ...Object.entries(flags)
        .filter(([, value]) => value !== '')
        .map(([flag, value]) => `--${flag}=${value}`),
    ],
    resources: {
      requests: { cpu: '10m', memory: '64Mi' },
      limits: { cpu: pod.resources['cpu-limit'], memory: '256Mi' },
    },
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      privileged: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    // The lock file of iptables.
    volumeMounts: [{ name: RUN_VOLUME, mountPath: '/run' }],
  }
}

function healthCheck(path: string): Fields {
  return { path, port: ports.health }
}

/** A native sidecar (Kubernetes 1.29): starts before the application, ends after it, and holds up no Job. */
function sidecarContainer({ settings, pod, appPorts, probes }: Addition): Fields {
  const { resources, mode } = pod
  return {
    name: SIDECAR,
    image: pod.image,
    args: [mode === 'tproxy' ? 'launch' : 'sidecar'],
    restartPolicy: 'Always',
    env: [
      podField('POD_NAME', 'metadata.name'),
      podField('POD_NAMESPACE', 'metadata.namespace'),
      podField('POD_SERVICE_ACCOUNT', 'spec.serviceAccountName'),
      podField('POD_IP', 'status.podIP'),
      ...Object.entries({
        OUTRIDER_CONTROL_ADDRESS: settings.controlAddress,
        OUTRIDER_ATTESTATION: 'kubernetes',
        OUTRIDER_SPIFFE_ID:
          pod.spiffeId ?? `spiffe://${settings.trustDomain}/ns/$(POD_NAMESPACE)/sa/$(POD_SERVICE_ACCOUNT)`,
        OUTRIDER_KUBERNETES_TOKEN_FILE: `${TOKEN_PATH}/token`,
        OUTRIDER_TRUST_BUNDLE_FILE: `${TRUST_PATH}/bundle.pem`,
        OUTRIDER_SIDECAR_ID: '$(POD_NAME)',
        OUTRIDER_ADVERTISE_ADDRESS: '$(POD_IP)',
        OUTRIDER_HEALTH: `[::]:${ports.health}`,
        OUTRIDER_OUTBOUND: `127.0.0.1:${ports.outbound}`,
        OUTRIDER_STATE_DIR: `${STATE_PATH}/sidecar`,
        OUTRIDER_WORKLOAD_API_SOCKET: `${RUN_PATH}/workload.sock`,
        ...listeners(mode, appPorts),
        // Kubernetes expands `$(NAME)` in these values; `$$` is a dollar.
        ...(probes.length === 0 ? {} : { OUTRIDER_PROBES: probes.join(' ').replaceAll('$', '$$$$') }),
      }).map(([name, value]) => ({ name, value })),
    ],
    startupProbe: {
      httpGet: healthCheck('/ready'),
      periodSeconds: 1,
      timeoutSeconds: 3,
      failureThreshold: START_SECONDS,
    },
    readinessProbe: { httpGet: healthCheck('/ready'), periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 3 },
    livenessProbe: { httpGet: healthCheck('/live'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    // Peers stop choosing this pod while it still serves. There is no shell in the image.
    lifecycle: { preStop: { exec: { command: ['node', 'bin/outrider', 'drain'] } } },
    resources: {
      requests: { cpu: resources['cpu-request'], memory: resources['memory-request'] },
      limits: { cpu: resources['cpu-limit'], memory: resources['memory-limit'] },
    },
    securityContext: mode === 'tproxy' ? launcherContext : sidecarContext,
    volumeMounts: [
      { name: TOKEN_VOLUME, mountPath: TOKEN_PATH, readOnly: true },
      { name: TRUST_VOLUME, mountPath: TRUST_PATH, readOnly: true },
      { name: STATE_VOLUME, mountPath: STATE_PATH },
      { name: RUN_VOLUME, mountPath: RUN_PATH },
    ],
  }
}

const confined = {
  readOnlyRootFilesystem: true,
  allowPrivilegeEscalation: false,
  privileged: false,
  seccompProfile: { type: 'RuntimeDefault' },
}

/** Pod Security Standard `restricted`. */
const sidecarContext: Fields = {
  runAsUser: SIDECAR_UID,
  runAsGroup: SIDECAR_UID,
  runAsNonRoot: true,
  ...confined,
  capabilities: { drop: ['ALL'] },
}

/** Opens the transparent sockets, then becomes the user of the sidecar and gives up the rest. */
const launcherContext: Fields = {
  runAsUser: 0,
  runAsGroup: 0,
  runAsNonRoot: false,
  ...confined,
  capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'SETGID', 'SETUID'] },
}

function listeners(mode: Mode, appPorts: readonly AppPort[]): Readonly<Record<string, string>> {
  if (mode === 'explicit') {
    // Capture has one port for all; here each application port has its own, which the sidecar reports.
    const mappings = appPorts.map((app, index) => `[::]:${ports.inbound + index}=${portText(app, '127.0.0.1:')}`)
    return mappings.length === 0 ? {} : { OUTRIDER_INBOUND: mappings.join(',') }
  }
  return {
    OUTRIDER_CAPTURE_MODE: mode,
    OUTRIDER_CAPTURE_INBOUND: `[::]:${ports.captureInbound}`,
    OUTRIDER_CAPTURE_OUTBOUND: `[::]:${ports.captureOutbound}`,
    ...(appPorts.length === 0
      ? {}
      : { OUTRIDER_CAPTURE_INBOUND_PORTS: appPorts.map((app) => portText(app)).join(',') }),
  }
}

function podField(name: string, fieldPath: string): Fields {
  return { name, valueFrom: { fieldRef: { fieldPath } } }
}

export function addedVolumes({ settings }: Addition): Fields[] {
  return [
    {
      name: TOKEN_VOLUME,
      projected: {
        sources: [
          {
            serviceAccountToken: { audience: settings.audience, expirationSeconds: TOKEN_SECONDS, path: 'token' },
          },
        ],
      },
    },
    { name: TRUST_VOLUME, configMap: { name: TRUST_CONFIG_MAP } },
    { name: STATE_VOLUME, emptyDir: { sizeLimit: '64Mi' } },
    { name: RUN_VOLUME, emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
  ]
}

/** The environment of an application that is to use the explicit proxy, by name. */
export const proxyEnvironment: Readonly<Record<string, string>> = {
  // curl reads the name in small letters alone; others prefer large ones.
  HTTP_PROXY: `http://127.0.0.1:${ports.outbound}`,
  http_proxy: `http://127.0.0.1:${ports.outbound}`,
  NO_PROXY: 'localhost,127.0.0.1,::1',
  no_proxy: 'localhost,127.0.0.1,::1',
}
