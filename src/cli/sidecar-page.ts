import { OutriderError, describeError } from '../lib/errors.ts'
import type { CommandContext } from './command.ts'

export const sidecarOption = {
  type: 'string',
  value: 'HOST:PORT',
  default: '127.0.0.1:15400',
  doc: 'admin endpoint of the sidecar',
} as const

/** An SVID as `GET /certs` shows it. Times are ISO 8601. */
export interface CertificatePage {
  readonly svid: {
    readonly id: string
    readonly serial: string
    readonly notBefore: string
    readonly notAfter: string
    readonly authority: string
    readonly chain: readonly string[]
    readonly pem: string
  }
  readonly bundles: readonly {
    readonly trustDomain: string
    readonly sequence: number
    readonly authorities: readonly {
      readonly fingerprint: string
      readonly notAfter: string
      readonly tainted: boolean
      readonly pem: string
    }[]
    readonly jwtAuthorities: readonly string[]
  }[]
}

/** The policy in force as `GET /policy` shows it. Times are ISO 8601. */
export interface PolicyPage {
  /** 0: there is none. */
  readonly revision: number
  readonly source: string
  readonly connected: boolean
  readonly syncedAt: string | null
  readonly ageSeconds: number | null
  /** When what allows something is taken out of force. */
  readonly until: string | null
  readonly expired: boolean
  readonly closed: { readonly code: string; readonly detail: string } | null
  readonly resources: readonly unknown[]
}

const WITHIN_MS = 5000

/** What the sidecar at `admin` knows of identities. Throws `sidecar-unreachable`, `sidecar-not-ready`. */
export async function certificatePage(
  admin: string,
  context: Pick<CommandContext, 'signal'>,
): Promise<CertificatePage> {
  const page: CertificatePage = JSON.parse(await pageOf(admin, '/certs', context))
  return page
}

/** What the sidecar at `admin` enforces. Throws `sidecar-unreachable`. */
export async function policyPage(admin: string, context: Pick<CommandContext, 'signal'>): Promise<PolicyPage> {
  const page: PolicyPage = JSON.parse(await pageOf(admin, '/policy', context))
  return page
}

/** Whether the sidecar at `admin` is ready, in its own words. Throws `sidecar-unreachable`. */
export async function readyText(admin: string, context: Pick<CommandContext, 'signal'>): Promise<string> {
  return (await ask(admin, '/ready', context)).text()
}

/** Tells the sidecar at `admin` to be left alone by its peers. Throws `sidecar-unreachable`. */
export async function announceDrain(admin: string, context: Pick<CommandContext, 'signal'>): Promise<void> {
  await pageOf(admin, '/drain', context, 'POST')
}

async function pageOf(
  admin: string,
  path: string,
  context: Pick<CommandContext, 'signal'>,
  method: Method = 'GET',
): Promise<string> {
  const answer = await ask(admin, path, context, method)
  const text = await answer.text()
  if (answer.ok) return text
  throw new OutriderError('sidecar-not-ready', `the sidecar at ${admin} says: ${text.trim()}`, {
    source: 'dependency',
    retryable: true,
  })
}

type Method = 'GET' | 'POST'

async function ask(
  admin: string,
  path: string,
  { signal }: Pick<CommandContext, 'signal'>,
  method: Method = 'GET',
): Promise<Response> {
  const url = `http://${admin}${path}`
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(WITHIN_MS)])
    return await fetch(url, { method, signal: within, redirect: 'error' })
  } catch (cause) {
    signal.throwIfAborted()
    const why = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
    throw new OutriderError('sidecar-unreachable', `no sidecar answers at ${admin}: ${describeError(why)}`, {
      source: 'dependency',
      cause,
    })
  }
}
