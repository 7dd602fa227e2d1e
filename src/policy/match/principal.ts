import { OutriderError } from '../../lib/errors.ts'

/** Who tokens are about, as `issuer/subject`. */
export interface PrincipalMatcher {
  readonly any: boolean
  readonly exact: ReadonlySet<string>
  /** Up to and with the slash after the issuer. */
  readonly issuers: ReadonlySet<string>
}

/**
 * Reads `issuer/subject`, `issuer/*` or `*`. Throws an `OutriderError` with `request-principal-malformed`. Both parts may have
 * slashes, and the whole is compared: of two issuers, one of which begins with the other and a slash, only `issuer/*` and
 * a condition on the claim `iss` tell which it was.
 */
export function parseRequestPrincipal(text: string): string {
  const star = text.indexOf('*')
  const wild = star !== -1
  if (text === '*' || (!wild && /[^/]\/./.test(text)) || (wild && /^[^*]*[^*/]\/\*$/.test(text))) return text
  throw new OutriderError(
    'request-principal-malformed',
    `written as issuer/subject, issuer/* or *, not ${JSON.stringify(text.slice(0, 100))}`,
  )
}

export function principalsOf(texts: readonly string[]): PrincipalMatcher {
  return {
    any: texts.includes('*'),
    exact: new Set(texts.filter((text) => !text.endsWith('*'))),
    issuers: new Set(texts.filter((text) => text.endsWith('/*')).map((text) => text.slice(0, -1))),
  }
}

/** `https://a/*` is about the issuer `https://a`, and not about `https://a/b`. */
export function matchesPrincipal({ any, exact, issuers }: PrincipalMatcher, issuer: string, subject: string): boolean {
  return any || issuers.has(`${issuer}/`) || exact.has(`${issuer}/${subject}`)
}
