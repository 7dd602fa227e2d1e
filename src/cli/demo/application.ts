import { createServer } from 'node:http'
import { listen } from '../../lib/listen.ts'

/** A small service that knows nothing of the mesh. */
export interface Application {
  readonly port: number
  /** Requests that reached it. */
  readonly requests: () => number
  close(): Promise<void>
}

/** Answers every request with who asked, as the sidecar tells it in x-forwarded-client-cert. */
export async function startApplication(name: string): Promise<Application> {
  let requests = 0
  const server = createServer((request, response) => {
    requests += 1
    const caller = /URI=([^;,]+)/.exec(String(request.headers['x-forwarded-client-cert'] ?? ''))?.[1]
    response.setHeader('content-type', 'application/json')
    response.end(`${JSON.stringify({ service: name, path: request.url, caller: caller ?? null })}\n`)
  })
  const { port } = await listen(server, { host: '127.0.0.1', port: 0 }, `application ${name}`)
  return {
    port,
    requests: () => requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
