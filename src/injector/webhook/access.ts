import { injectorOptions } from '../../config/injector.ts'
import type { Access } from '../../kubernetes/access.ts'
import { injecting, validating } from './ca-bundle.ts'

const names = [injectorOptions.webhookConfiguration.default]

/** What an injector asks the API server for. */
export const injectorAccess: readonly Access[] = [
  { type: injecting, names, verbs: ['get', 'patch'] },
  { type: validating, names, verbs: ['get', 'patch'] },
]
