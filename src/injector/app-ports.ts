import type { AppProtocol } from '../lib/app-protocol.ts'
import { spokenProtocol } from '../lib/app-protocol.ts'
import { type Container, fieldsOf, itemsOf, keepsRunning, textOf } from './pod.ts'
import type { PodSettings } from './settings.ts'

/** One TCP port that the application listens on. */
export interface AppPort {
  readonly port: number
  readonly protocol: AppProtocol
}

/** Names of ports as Kubernetes users give them: `grpc`, `http-metrics`; `appProtocol` has some of the same words. */
const byWord: Readonly<Record<string, AppProtocol>> = {
  http: 'auto',
  http2: 'http2',
  h2c: 'http2',
  grpc: 'grpc',
  tcp: 'tcp',
  tls: 'tcp',
  https: 'tcp',
  redis: 'tcp',
  mysql: 'tcp',
  mongo: 'tcp',
  postgres: 'tcp',
  postgresql: 'tcp',
  amqp: 'tcp',
  kafka: 'tcp',
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
    const word = declared.find((one) => one.port === port)?.name?.split('-')[0] ?? ''
    const known = Object.hasOwn(byWord, word) ? byWord[word] : undefined
    return { port, protocol: known ?? spokenProtocol('auto', port) }
  })
}

/** As options of the sidecar have it: `8080`, `tcp://6379`. */
export function portText({ port, protocol }: AppPort, host = ''): string {
  return `${protocol === 'auto' ? '' : `${protocol}://`}${host}${port}`
}
