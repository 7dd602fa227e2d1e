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

const WITHIN_MS = 5000

/** What the sidecar at `admin` knows of identities. Throws `sidecar-unreachable`, `sidecar-not-ready`. */
export async function certificatePage(
  admin: string,
  { signal }: Pick<CommandContext, 'signal'>,
): Promise<CertificatePage> {
  const url = `http://${admin}/certs`
  let answer: Response
  try {
    answer = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(WITHIN_MS)]), redirect: 'error' })
  } catch (cause) {
    signal.throwIfAborted()
    const why = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
    throw new OutriderError('sidecar-unreachable', `no sidecar answers at ${admin}: ${describeError(why)}`, {
      source: 'dependency',
      cause,
    })
  }
  if (!answer.ok) {
    throw new OutriderError('sidecar-not-ready', `the sidecar at ${admin} says: ${(await answer.text()).trim()}`, {
      source: 'dependency',
      retryable: true,
    })
  }
  const page: CertificatePage = JSON.parse(await answer.text())
  return page
}
