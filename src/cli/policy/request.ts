import { OutriderError } from '../../lib/errors.ts'
import { type CaseRequest, readCaseRequest } from '../../policy/cases/format.ts'
import type { PolicyContext } from './context.ts'

/** The request that the options of `explain` describe, by the rules of the cases of `test`. Throws `usage-request`. */
export function requestOf({ options, clock }: Pick<PolicyContext, 'options' | 'clock'>): CaseRequest {
  const read = readCaseRequest({
    ...given('principal', options.principal),
    ...(options.tcp === true ? { protocol: 'tcp' } : {}),
    ...given('method', options.method),
    ...given('path', options.path),
    ...given('host', options.host),
    ...(options.port === undefined ? {} : { port: Number(options.port) }),
    ...(options.header.length === 0 ? {} : { headers: headersOf(options.header) }),
    ...given('address', options.address),
    ...given('sni', options.sni),
    ...(options.token.length === 0 ? {} : { tokens: options.token.map(tokenOf) }),
    ...(options['api-key'] === undefined ? {} : { apiKey: apiKeyOf(options['api-key']) }),
    at: options.at ?? new Date(clock.now()).toISOString(),
  })
  if ('protocol' in read) return read
  const [first] = read
  throw new OutriderError('usage-request', `${optionOf(first?.field ?? '')}: ${first?.message ?? ''}`)
}

function given(name: string, value: string | undefined): Readonly<Record<string, string>> {
  return value === undefined ? {} : { [name]: value }
}

function headersOf(texts: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const headers: Record<string, string[]> = {}
  for (const text of texts) {
    const colon = text.indexOf(':')
    if (colon < 1) throw new OutriderError('usage-request', `--header is written as NAME:VALUE, not "${text}"`)
    const name = text.slice(0, colon).trim().toLowerCase()
    const values = headers[name] ?? []
    headers[name] = values
    values.push(text.slice(colon + 1).trim())
  }
  return headers
}

/** The claims of a token as JSON; `iss` and `sub` are among them. */
function tokenOf(text: string): unknown {
  let claims: unknown
  try {
    claims = JSON.parse(text)
  } catch {
    throw new OutriderError(
      'usage-request',
      '--token is a JSON object of claims, such as {"iss":"https://id","sub":"u"}',
    )
  }
  if (typeof claims !== 'object' || claims === null || !('iss' in claims))
    throw new OutriderError('usage-request', '--token needs the claim iss, who issued it')
  const { iss, ...rest } = claims
  return { issuer: iss, ...('sub' in rest ? { subject: rest.sub } : {}), claims: rest }
}

function apiKeyOf(text: string): unknown {
  const [owner, scopes] = text.split('=', 2)
  return { owner, ...(scopes === undefined ? {} : { scopes: scopes.split(',').filter((scope) => scope !== '') }) }
}

function optionOf(field: string): string {
  const [name = ''] = field.split(/[.[]/)
  return `--${{ headers: 'header', tokens: 'token', apiKey: 'api-key' }[name] ?? name}`
}
