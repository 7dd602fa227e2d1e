import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ClusterObject } from '../../kubernetes/objects.ts'
import { readSmallBytes } from '../../lib/small-file.ts'
import { MAX_TEXT_BYTES } from '../ca/storage.ts'

export type Texts = ReadonlyMap<string, string>

/** The kubelet's own: what is behind the links of a mounted Secret. */
const OF_KUBELET = /^\.\./
/** More than a CA has at the most. */
const MAX_FILES = 64

/** What is in a Secret. Bytes for characters (ISO 8859-1), so that what somebody else keeps in it stays as it is; ours are all ASCII. */
export function textsOfSecret({ data }: ClusterObject): Texts {
  if (typeof data !== 'object' || data === null) return new Map()
  const pairs = Object.entries(data).map(
    ([key, value]) => [key, Buffer.from(String(value), 'base64').toString('latin1')] as const,
  )
  return new Map(pairs)
}

/** The same Secret with other texts. */
export function secretWith(secret: ClusterObject, texts: Texts): ClusterObject {
  const data = Object.fromEntries(
    Array.from(texts, ([key, text]) => [key, Buffer.from(text, 'latin1').toString('base64')]),
  )
  return { ...secret, data }
}

/** What the kubelet has mounted. Throws what the file system does. */
export function textsOfFolder(folder: string): Texts {
  const names = readdirSync(folder).filter((name) => !OF_KUBELET.test(name))
  if (names.length > MAX_FILES) throw new Error(`${folder} has more than ${MAX_FILES} files`)
  return new Map(
    names.map((name) => [name, readSmallBytes(join(folder, name), MAX_TEXT_BYTES).bytes.toString('latin1')]),
  )
}

export function sameTexts(one: Texts, other: Texts): boolean {
  return one.size === other.size && Array.from(one).every(([key, text]) => other.get(key) === text)
}
