import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isLoopback, parseHost } from '../lib/address.ts'
import { describeError } from '../lib/errors.ts'
import { http } from '../lib/node-http.ts'
import type { Logger } from './log.ts'

export interface AdminAnswer {
  readonly status: number
  readonly body: string
  readonly contentType: string
}

/** One page: by method and path. */
export type AdminPage = (request: { readonly body: string }) => AdminAnswer | Promise<AdminAnswer>

/** `GET /ready` and the like. */
export type AdminPages = Readonly<Record<string, AdminPage>>

const MAX_BODY_BYTES = 1024
const MAX_CONNECTIONS = 64

export function json(value: unknown, status = 200): AdminAnswer {
  return { status, body: `${JSON.stringify(value, undefined, 2)}\n`, contentType: 'application/json' }
}

export function text(body: string, status = 200): AdminAnswer {
  return { status, body, contentType: 'text/plain; charset=utf-8' }
}

/**
 * The admin endpoint: node:http, because nothing here is on the data path. It listens on loopback, and answers only requests
 * that name a loopback host: a web page that has its name resolve to 127.0.0.1 (DNS rebinding) is refused.
 */
export function createAdminServer(pages: AdminPages, log: Logger): Server {
  const server = http.createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    void answer(pages, request).then(
      (result) => send(response, result),
      (error: unknown) => {
        log.error({ error }, 'an admin page failed')
        send(response, text(`${describeError(error)}\n`, 500))
      },
    )
  })
  server.maxConnections = MAX_CONNECTIONS
  return server
}

async function answer(pages: AdminPages, request: IncomingMessage): Promise<AdminAnswer> {
  if (!namesLoopback(request.headers.host ?? '')) return text('the admin endpoint answers loopback names only\n', 403)
  const path = (request.url ?? '/').split('?')[0]!
  const page = pages[`${request.method} ${path}`]
  if (page !== undefined) {
    const body = await read(request)
    return body === undefined ? text(`the body is larger than ${MAX_BODY_BYTES} bytes\n`, 413) : page({ body })
  }
  const allowed = Object.keys(pages).filter((key) => key.endsWith(` ${path}`))
  if (allowed.length > 0) return text(`use ${allowed.map((key) => key.split(' ')[0]).join(' or ')}\n`, 405)
  return text(`there is no ${path}; pages:\n${Object.keys(pages).join('\n')}\n`, 404)
}

function namesLoopback(authority: string): boolean {
  const host = parseHost(authority.replace(/:\d+$/, ''))
  return host === 'localhost' || (host !== undefined && isLoopback(host))
}

async function read(request: IncomingMessage): Promise<string | undefined> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) {
    body += String(chunk)
    if (body.length > MAX_BODY_BYTES) return undefined
  }
  return body
}

function send(response: ServerResponse, { status, body, contentType }: AdminAnswer): void {
  // What is left of a body that was refused is not worth reading.
  if (!response.req.complete) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' }).end(body)
}
