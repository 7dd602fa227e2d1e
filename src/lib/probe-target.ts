/** What the kubelet has asked through a sidecar: `http://:8080/healthz?full`, `https://:8443/`, `tcp://:5432`, `grpc://:9090/service`. */
export interface ProbeTarget {
  readonly scheme: 'http' | 'https' | 'tcp' | 'grpc'
  /** On loopback. */
  readonly port: number
  /** With its `/`: path and query of a request, or the service of a health check. Empty for `tcp`. */
  readonly path: string
  readonly text: string
}

/** Most targets of one sidecar. */
export const MAX_PROBE_TARGETS = 64
const TARGET = /^(?:(https?|grpc):\/\/:([1-9]\d{0,4})(\/[\x21-\x7e]{0,1023})|(tcp):\/\/:([1-9]\d{0,4}))$/

/** A list with spaces between, or in words what is wrong with it. */
export function parseProbeTargets(list: string): readonly ProbeTarget[] | string {
  const words = list.split(' ').filter((word) => word !== '')
  if (words.length > MAX_PROBE_TARGETS) return `${words.length} targets; the limit is ${MAX_PROBE_TARGETS}`
  const targets: ProbeTarget[] = []
  for (const text of words) {
    const [, scheme, port, path = '', tcp, tcpPort] = TARGET.exec(text) ?? []
    const number = Number(port ?? tcpPort)
    if (!(number >= 1 && number <= 65_535)) {
      return `${JSON.stringify(text.slice(0, 100))} is no target such as http://:8080/healthz, tcp://:5432 or grpc://:9090/service`
    }
    targets.push({ scheme: schemeOf(scheme ?? tcp), port: number, path, text })
  }
  return targets
}

function schemeOf(text: string | undefined): ProbeTarget['scheme'] {
  return text === 'https' || text === 'tcp' || text === 'grpc' ? text : 'http'
}

/** Where a sidecar answers for a target: `/probe/http/8080/healthz?full`. */
export function probePathOf(target: string): string {
  return `/probe/${target.replace('://:', '/')}`
}
