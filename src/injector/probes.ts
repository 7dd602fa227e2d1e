import { MAX_PROBE_TARGETS, probePathOf } from '../lib/probe-target.ts'
import { declaredPorts } from './app-ports.ts'
import { ports } from './names.ts'
import { type Container, fieldsOf, keepsRunning, textOf } from './pod.ts'
import type { Report } from './refusal.ts'

/** One probe or hook of the kubelet that leads to the sidecar from now on. */
export interface RewrittenProbe {
  readonly container: Container
  /** Below the container: `['livenessProbe']`, `['lifecycle', 'preStop']`. */
  readonly path: readonly string[]
  readonly before: Readonly<Record<string, unknown>>
  /** `before` with an `httpGet` to the sidecar. */
  readonly after: Readonly<Record<string, unknown>>
  /** What the sidecar then asks: `http://:8080/healthz`, `tcp://:5432`, `grpc://:9090/service`. */
  readonly target: string
}

const places: readonly (readonly string[])[] = [
  ['startupProbe'],
  ['readinessProbe'],
  ['livenessProbe'],
  ['lifecycle', 'postStart'],
  ['lifecycle', 'preStop'],
]

/**
 * The kubelet speaks no mutual TLS, so that what it asks of a captured port would be refused. It asks the sidecar instead,
 * which asks the application, and nothing but what is listed. Probes of other hosts and of ports that are not captured stay.
 */
export function rewriteProbes(
  containers: readonly Container[],
  excludedPorts: readonly number[],
  report: Report,
): RewrittenProbe[] {
  const rewritten: RewrittenProbe[] = []
  for (const container of containers.filter(keepsRunning)) {
    for (const path of places) {
      const probe = path.reduce<unknown>((value, step) => fieldsOf(value)[step], container.value)
      const field = [container.field, ...path].join('.')
      const target = targetOf(container, fieldsOf(probe), field, excludedPorts, report)
      if (target === undefined) continue
      const { tcpSocket: _tcp, grpc: _grpc, httpGet, ...rest } = fieldsOf(probe)
      const { httpHeaders } = fieldsOf(httpGet)
      const request = {
        path: probePathOf(target),
        port: ports.health,
        ...(httpHeaders === undefined ? {} : { httpHeaders }),
      }
      rewritten.push({ container, path, before: fieldsOf(probe), after: { httpGet: request, ...rest }, target })
    }
  }
  if (new Set(rewritten.map(({ target }) => target)).size > MAX_PROBE_TARGETS) {
    report({
      code: 'inject-probe',
      field: 'spec.containers',
      message: `has more than ${MAX_PROBE_TARGETS} different probes`,
    })
  }
  return rewritten
}

function targetOf(
  container: Container,
  probe: Readonly<Record<string, unknown>>,
  field: string,
  excluded: readonly number[],
  report: Report,
): string | undefined {
  const { httpGet, tcpSocket, grpc } = probe
  const [kind, action] =
    httpGet !== undefined ? ['httpGet', httpGet] : tcpSocket !== undefined ? ['tcpSocket', tcpSocket] : ['grpc', grpc]
  if (action === undefined || action === null) return undefined
  const { port: given, host, path, scheme, service } = fieldsOf(action)
  if (textOf(host)) return undefined
  const port = portNumber(container, given)
  if (port === undefined) {
    const shown = JSON.stringify(given) ?? 'none'
    return report({
      code: 'inject-probe',
      field: `${field}.${kind}.port`,
      message: `${shown.slice(0, 100)} is no port of the container`,
    })
  }
  if (excluded.includes(port)) return undefined
  if (kind === 'tcpSocket') return `tcp://:${port}`
  const rest = kind === 'grpc' ? `/${textOf(service) ?? ''}` : absolute(textOf(path) ?? '/')
  const text = `${kind === 'grpc' ? 'grpc' : scheme === 'HTTPS' ? 'https' : 'http'}://:${port}${urlText(rest)}`
  if (text.length <= 1024) return text
  return report({ code: 'inject-probe', field: `${field}.${kind}`, message: 'is longer than 1024 characters' })
}

function portNumber(container: Container, given: unknown): number | undefined {
  if (typeof given === 'number') return given >= 1 && given <= 65_535 ? given : undefined
  const text = textOf(given) ?? ''
  if (/^[1-9][0-9]{0,4}$/.test(text)) return Number(text)
  return text === '' ? undefined : declaredPorts(container).find(({ name }) => name === text)?.port
}

function absolute(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

/** As the kubelet sends it: what no URL may have is escaped. */
function urlText(path: string): string {
  return path.toWellFormed().replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character))
}
