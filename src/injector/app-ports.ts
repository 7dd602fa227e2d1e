import type { AppProtocol } from '../lib/app-protocol.ts'
import { protocolOfWord, spokenProtocol } from '../lib/app-protocol.ts'
import { type Container, fieldsOf, itemsOf, keepsRunning, textOf } from './pod.ts'
import type { PodSettings } from './settings.ts'

/** One TCP port that the application listens on. */
export interface AppPort {
  readonly port: number
  readonly protocol: AppProtocol
}

/** A port that a container declares. */
export interface DeclaredPort {
  readonly field: string
  readonly name: string | undefined
  readonly port: number
}

/** The TCP ports of one container. Entries that are no ports are left to the API server to refuse. */
export function declaredPorts({ field, value }: Container): DeclaredPort[] {
  return itemsOf(value['ports']).flatMap((item, index) => {
    const { containerPort, name, protocol = 'TCP' } = fieldsOf(item)
    if (typeof containerPort !== 'number' || protocol !== 'TCP') return []
    return [{ field: `${field}.ports[${index}].containerPort`, name: textOf(name), port: containerPort }]
  })
}

/** The ports that peers may reach, each once, in the order of the pod; the first name of a port counts. */
export function appPorts(
  containers: readonly Container[],
  { inboundPorts, excludeInboundPorts }: PodSettings,
): AppPort[] {
  const declared = containers.filter(keepsRunning).flatMap(declaredPorts)
  const named = inboundPorts ?? declared.map(({ port }) => port)
  const open = [...new Set(named)].filter((port) => !excludeInboundPorts.includes(port))
  return open.map((port) => {
    const known = protocolOfWord(declared.find((one) => one.port === port)?.name ?? '')
    return { port, protocol: known ?? spokenProtocol('auto', port) }
  })
}

/** As options of the sidecar have it: `8080`, `tcp://6379`. */
export function portText({ port, protocol }: AppPort, host = ''): string {
  return `${protocol === 'auto' ? '' : `${protocol}://`}${host}${port}`
}
