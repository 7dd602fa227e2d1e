import { OutriderError } from '../../lib/errors.ts'
import { type Refusal, type RefusalCode, refusals, refuse } from '../refusal.ts'

/**
 * What an `OutriderError` of a verification is to the client: its own code where that is one of a refusal, and `otherwise` for
 * any other. Without `otherwise`, another one is a bug.
 */
export function attempt<T extends object>(verify: () => T, otherwise?: RefusalCode): T | Refusal {
  try {
    return verify()
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    const code = isRefusalCode(thrown.code) ? thrown.code : otherwise
    if (code === undefined) throw thrown
    return refuse(code, { detail: thrown.message })
  }
}

function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(refusals, code)
}
