import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/**
 * A package of `dependencies`, loaded when it is first asked for and not before: for those that cost megabytes and that most
 * configurations have no use for. Synchronous, so that what needs it does not have to become asynchronous.
 */
export function loadPackage(name: string): unknown {
  return require(name)
}
