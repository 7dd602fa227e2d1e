/** Makes the compiler prove that a switch is exhaustive. Reaching it at run time is a bug, never bad input. */
export function unreachable(value: never): never {
  throw new TypeError(`unreachable: ${JSON.stringify(value)}`)
}
