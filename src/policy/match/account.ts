import { OutriderError } from '../../lib/errors.ts'

/** A namespace, or another name, as it stands in a document: a DNS label (RFC 1123, section 2.1). */
export function parseNamespace(text: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text))
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
  const [first = '', second, ...more] = text.split('/')
  const [space, name] = second === undefined ? [namespace, first] : [first, second]
  const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
  if (more.length > 0 || !label.test(space) || name.length > 253 || !name.split('.').every((part) => label.test(part)))
    throw new OutriderError(
      'service-account-malformed',
      `written as name, of the policy's namespace, or namespace/name, not ${JSON.stringify(text.slice(0, 100))}`,
    )
  return `${space}/${name}`
}
