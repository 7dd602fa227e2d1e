import { isIP } from 'node:net'
import { OutriderError } from '../lib/errors.ts'

/**
 * The gRPC name of what `SPIFFE_ENDPOINT_SOCKET` names: `unix:///absolute/path` or `tcp://ADDRESS:PORT` (SPIFFE Workload Endpoint
 * standard, section 4). Throws `endpoint-socket-malformed`.
 */
export function parseEndpointSocket(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw malformed(text)
  }
  const path = decoded(url.pathname)
  if (url.protocol === 'unix:' && url.host === '' && path !== undefined && path.length > 1) return `unix:${path}`
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const bare = url.pathname === '' || url.pathname === '/'
  if (url.protocol === 'tcp:' && bare && isIP(host) !== 0 && url.port !== '') return url.host
  throw malformed(text)
}

function decoded(path: string): string | undefined {
  try {
    const text = decodeURIComponent(path)
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}

function malformed(text: string): OutriderError<'endpoint-socket-malformed'> {
  const shown = JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text)
  return new OutriderError(
    'endpoint-socket-malformed',
    `${shown} is neither unix:///path/of/a/socket nor tcp://ADDRESS:PORT`,
    { place: 'spiffeEndpointSocket' },
  )
}
