import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { OutriderError } from '../../lib/errors.ts'

export interface Answer {
  /** 0 when there was none. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** One GET, without an agent unless one is given. Never rejects: a request that failed is an answer of status 0. */
export function get(address: string, authority: string, path: string, agent?: Agent): Promise<Answer> {
  const [host = '', port = ''] = address.split(/:(?=\d+$)/)
  return new Promise((resolve) => {
    const fail = (error: Error): void => resolve({ status: 0, headers: {}, body: error.message })
    const outgoing = request(
      { host, port: Number(port), path, headers: { host: authority }, agent: agent ?? false, timeout: 10_000 },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          body += chunk
        })
        response.on('error', fail)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 10 s')))
    outgoing.on('error', fail)
    outgoing.end()
  })
}

export interface LoadResult {
  readonly requests: number
  /** Everything but a 200. */
  readonly failed: number
}

const CONNECTIONS = 4

/** Sends requests on a few connections, one after the other on each, for as long as `during` takes. */
export async function load(
  address: string,
  authority: string,
  path: string,
  during: () => Promise<void>,
): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const over = new AbortController()
  let requests = 0
  let failed = 0
  const one = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const { status } = await get(address, authority, path, agent)
      requests += 1
      if (status !== 200) failed += 1
      await turn()
    }
  }
  const loops = Array.from({ length: CONNECTIONS }, one)
  try {
    await during()
  } finally {
    over.abort()
    await Promise.all(loops)
    agent.destroy()
  }
  return { requests, failed }
}

const POLL_MS = 5
const GIVE_UP_MS = 30_000

/** Looks until `holds`; throws `demo-timed-out`, which names `what`, when it never does, and ends early with `signal`. */
export async function until(what: string, signal: AbortSignal, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + GIVE_UP_MS
  while (!(await holds().catch(() => false))) {
    if (performance.now() > deadline) throw new OutriderError('demo-timed-out', `${what}: not within ${GIVE_UP_MS} ms`)
    await pause(POLL_MS, undefined, { signal })
  }
}
