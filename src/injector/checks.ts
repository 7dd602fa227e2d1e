import { type AppPort, declaredPorts } from './app-ports.ts'
import { containerNames, MAX_APP_PORTS, ports, SIDECAR_UID, volumeNames } from './names.ts'
import { fieldsOf, itemsOf, keepsRunning, type PodTemplate, textOf } from './pod.ts'
import type { Report } from './refusal.ts'
import type { InjectSettings, PodSettings } from './settings.ts'

/** Native sidecars are on by default since (KEP-753). */
const OLDEST: readonly [number, number] = [1, 29]
/** Containers of meshes that capture the same traffic. */
const otherSidecars: ReadonlySet<string> = new Set([
  'istio-proxy',
  'istio-init',
  'linkerd-proxy',
  'linkerd-init',
  'kuma-sidecar',
  'kuma-init',
  'consul-dataplane',
])
const NAMES_OF_OS = ['kubernetes.io/os', 'beta.kubernetes.io/os']

/** Reports everything because of which the pod could have a sidecar that protects nothing, or does not run. */
export function checkPod(
  pod: PodTemplate,
  settings: PodSettings,
  { kubernetesVersion: [major, minor] }: InjectSettings,
  appPorts: readonly AppPort[],
  report: Report,
): void {
  const { spec, containers } = pod
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    const message = `Kubernetes ${major}.${minor} has no native sidecars: ${OLDEST.join('.')} is the oldest that has`
    report({ code: 'inject-kubernetes-version', field: 'spec.initContainers', message })
  }
  if (spec['hostNetwork'] === true) {
    const message = 'the pod shares the network of its node: there is no traffic of its own to protect'
    report({ code: 'inject-host-network', field: 'spec.hostNetwork', message })
  }
  const os = [
    ['spec.os.name', fieldsOf(spec['os'])['name']],
    ...NAMES_OF_OS.map((name) => [`spec.nodeSelector[${name}]`, fieldsOf(spec['nodeSelector'])[name]]),
  ] as const
  for (const [field, name] of os) {
    if (name === 'windows')
      report({ code: 'inject-windows', field: String(field), message: 'the sidecar runs on Linux' })
  }
  checkProcesses(pod, report)
  checkUsers(pod, report)
  checkNames(pod, report)
  checkPorts(pod, settings, appPorts, report)
  if (settings.mode === 'explicit') return
  for (const { name, field } of containers) {
    if (!otherSidecars.has(name)) continue
    const message = `${name} is of another mesh, and captures the same traffic`
    report({ code: 'inject-other-mesh', field: `${field}.name`, message })
  }
}

/** Who sees the processes of the sidecar and may trace them can read its key. */
function checkProcesses({ spec, containers }: PodTemplate, report: Report): void {
  const shared = ['shareProcessNamespace', 'hostPID'].find((flag) => spec[flag] === true)
  if (shared === undefined) return
  for (const { field, value } of containers) {
    const { privileged, capabilities } = fieldsOf(value['securityContext'])
    const added = itemsOf(fieldsOf(capabilities)['add'])
    const tracing = added.find((name) => name === 'ALL' || name === 'SYS_PTRACE' || name === 'CAP_SYS_PTRACE')
    if (privileged !== true && tracing === undefined) continue
    const [place, what] = privileged === true ? ['privileged', 'is privileged'] : ['capabilities.add', `has ${tracing}`]
    const message = `with ${shared} a container that ${what} can read the key of the sidecar`
    report({ code: 'inject-process-namespace', field: `${field}.securityContext.${place}`, message })
  }
}

/** What the user and the group of the sidecar send is not captured, whoever it is. */
function checkUsers({ spec, containers }: PodTemplate, report: Report): void {
  const all = [
    { field: 'spec', context: fieldsOf(spec['securityContext']) },
    ...containers.map(({ field, value }) => ({ field, context: fieldsOf(value['securityContext']) })),
  ]
  for (const { field, context } of all) {
    for (const name of ['runAsUser', 'runAsGroup']) {
      if (context[name] !== SIDECAR_UID) continue
      const message = `${SIDECAR_UID} is the sidecar's: its traffic would go past the sidecar`
      report({ code: 'inject-uid-conflict', field: `${field}.securityContext.${name}`, message })
    }
  }
}

function checkNames({ spec, containers }: PodTemplate, report: Report): void {
  for (const { name, field } of containers) {
    if (!containerNames.includes(name)) continue
    const message = `${name} is a name of ours, and the pod was not injected: rename the container`
    report({ code: 'inject-name-conflict', field: `${field}.name`, message })
  }
  itemsOf(spec['volumes']).forEach((volume, index) => {
    const name = textOf(fieldsOf(volume)['name'])
    if (name === undefined || !volumeNames.includes(name)) return
    const message = `${name} is a name of ours, and the pod was not injected: rename the volume`
    report({ code: 'inject-name-conflict', field: `spec.volumes[${index}].name`, message })
  })
}

function checkPorts(
  { containers }: PodTemplate,
  { mode, inboundPorts }: PodSettings,
  appPorts: readonly AppPort[],
  report: Report,
): void {
  const { captureInbound, captureOutbound, admin, health, outbound, inbound } = ports
  const used = new Set<number>([admin, health, outbound])
  if (mode === 'explicit') for (let index = 0; index < MAX_APP_PORTS; index += 1) used.add(inbound + index)
  else used.add(captureInbound).add(captureOutbound)
  const declared = containers.filter(keepsRunning).flatMap(declaredPorts)
  const asked = (inboundPorts ?? []).map((port) => ({
    port,
    field: 'metadata.annotations[outrider.mesh/inbound-ports]',
  }))
  for (const { port, field } of [...declared, ...asked]) {
    if (!used.has(port)) continue
    report({ code: 'inject-port-conflict', field, message: `${port} is a port of the sidecar` })
  }
  if (appPorts.length > MAX_APP_PORTS) {
    const message = `the pod has ${appPorts.length} ports; ${MAX_APP_PORTS} is the limit: name those that peers need with outrider.mesh/inbound-ports`
    report({ code: 'inject-too-large', field: 'spec.containers', message })
  }
}
