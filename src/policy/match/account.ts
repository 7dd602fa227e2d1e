import { OutriderError } from '../../lib/errors.ts'

/** A DNS label (RFC 1123, section 2.1). */
export const nameForm: RegExp = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** `name` or `namespace/name`. */
export const referenceForm: RegExp = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** The same, of which the name may have dots. */
export const serviceAccountForm: RegExp =
  /^(?:([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\/)?([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*)$/

/** A namespace, or another name, as it stands in a document. */
export function parseNamespace(text: string): string {
  if (!nameForm.test(text))
    throw new OutriderError(
      'name-malformed',
      `a name has 1 to 63 lower-case letters, digits and inner dashes: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return text
}

/**
 * Reads a service account as a rule of a policy in `namespace` names it, `name` or `namespace/name`, to the latter. The name is one
 * of Kubernetes (RFC 1123, section 2.1, with dots). Throws an `OutriderError` with `service-account-malformed`.
 */
export function parseServiceAccount(text: string, namespace: string): string {
  const [, space = namespace, name = ''] = serviceAccountForm.exec(text) ?? []
  if (name === '' || name.length > 253)
    throw new OutriderError(
      'service-account-malformed',
      `written as name, of the policy's namespace, or namespace/name, not ${JSON.stringify(text.slice(0, 100))}`,
    )
  return `${space}/${name}`
}
