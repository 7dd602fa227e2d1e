import { join } from 'node:path'
import type { Values } from '../figures.ts'
import { Child, runToEnd } from '../processes.ts'

type Words = Readonly<Record<string, string | number>>

/** Runs a program of this folder to its end and returns the object of numbers that it prints. */
export async function runClient(program: string, words: Words, signal: AbortSignal): Promise<Values> {
  return numbers(await runToEnd(process.execPath, argv(program, words), { signal }))
}

/** Starts a program of this folder that stays; also returns the object of numbers in its first line. */
export async function startClient(
  program: string,
  words: Words,
  signal: AbortSignal,
): Promise<{ child: Child; values: Values }> {
  const child = new Child(program, process.execPath, argv(program, words))
  try {
    return { child, values: numbers(await child.firstLine(signal)) }
  } catch (error) {
    await child.stop()
    throw error
  }
}

function argv(program: string, words: Words): string[] {
  const options = Object.entries(words).flatMap(([name, value]) => [`--${name}`, String(value)])
  return [join(import.meta.dirname, program), ...options]
}

function numbers(json: string): Values {
  const value: unknown = JSON.parse(json)
  const entries = Object.entries(value ?? {})
  if (entries.length === 0 || entries.some(([, number]) => typeof number !== 'number'))
    throw new Error(`not an object of numbers: ${json.slice(0, 200)}`)
  return Object.fromEntries(entries)
}
