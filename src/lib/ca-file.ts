import { readSmallFile } from './small-file.ts'

const MAX_BYTES = 1024 * 1024

/** The PEM text of a file of certification authorities. Throws when it cannot be read, is above 1 MiB or holds no certificate. */
export function readCaFile(path: string): string {
  const { text } = readSmallFile(path, MAX_BYTES)
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('it holds no certificate')
  return text
}
