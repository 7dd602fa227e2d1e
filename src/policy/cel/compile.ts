import { OutriderError } from '../../lib/errors.ts'
import type { Query } from '../query.ts'
import type { Truth } from '../truth.ts'

export function compileCel(text: string): (query: Query) => Truth {
  throw new OutriderError('cel-malformed', `no expression is taken yet: ${text.slice(0, 10)}`)
}
