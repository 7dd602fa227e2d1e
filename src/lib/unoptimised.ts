import { setFlagsFromString } from 'node:v8'

/**
 * Runs `work` without V8's optimising compilers. For what a program does once and with all its might, such as loading its
 * modules: to optimise that takes CPU time, and leaves 8 MB of compilers and their output resident in a process that then idles.
 * The flags count for the whole process and must not change while another thread runs JavaScript.
 */
export async function unoptimised<T>(work: () => Promise<T>): Promise<T> {
  // By filter: with the compilers themselves off, code that is made meanwhile would never ask for them again.
  optimise('-*')
  try {
    return await work()
  } finally {
    optimise('*')
  }
}

/** Which functions may be optimised: all or none. */
function optimise(filter: '*' | '-*'): void {
  for (const flag of ['--maglev-filter', '--turbo-filter']) setFlagsFromString(`${flag}=${filter}`)
}
