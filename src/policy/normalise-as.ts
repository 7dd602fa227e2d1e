import type { Normalisation } from '../lib/normalisation.ts'
import { type NormalisedPath, normalisePath, type PathRefusal } from './normalise.ts'

/** Brings an origin-form request target, or `*`, to the form that is decided on and forwarded. Done twice it changes nothing more. */
export type Normaliser = (target: string) => NormalisedPath

/** What the modes of Istio do to a path, in the order in which Envoy does it. */
const steps: Readonly<Record<Exclude<Normalisation, 'strict'>, readonly ((path: string) => string)[]>> = {
  none: [],
  base: [canonicalise],
  'merge-slashes': [canonicalise, mergeSlashes],
  'decode-and-merge-slashes': [decodeSlashes, canonicalise, mergeSlashes],
}

/**
 * The normaliser of a mode. `strict` is `normalisePath`. The others cut off the fragment and then do as Istio does, with two
 * refusals where Envoy goes on: `%00` also in `none`, and in the rest a `%` without two hexadecimal digits, which could become
 * an escape by what is decoded behind it.
 */
export function normaliserOf(mode: Normalisation): Normaliser {
  if (mode === 'strict') return normalisePath
  const changes = steps[mode]
  const refused = mode === 'none' ? refusedAlways : refusedEscape
  return (target) => {
    const whole = until(target, '#')
    if (whole === '*') return { ok: true, path: whole, query: '' }
    const sent = until(whole, '?')
    const code = refusedForm(whole) ?? refused(sent)
    if (code !== undefined) return { ok: false, code }
    let path = sent
    for (const change of changes) path = change(path)
    return { ok: true, path, query: whole.slice(sent.length) }
  }
}

function until(text: string, mark: string): string {
  const end = text.indexOf(mark)
  return end === -1 ? text : text.slice(0, end)
}

function refusedForm(target: string): PathRefusal | undefined {
  if (!target.startsWith('/')) return 'path-form'
  return /^[!-~]*$/.test(target) ? undefined : 'path-character'
}

function refusedAlways(path: string): PathRefusal | undefined {
  return path.includes('%00') ? 'path-character' : undefined
}

function refusedEscape(path: string): PathRefusal | undefined {
  return /%(?![0-9A-Fa-f]{2})/.test(path) ? 'path-escape' : refusedAlways(path)
}

/** The next step makes slashes of backslashes. */
function decodeSlashes(path: string): string {
  return path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\')
}

/** What `canonicalise` changes or looks at more closely. */
const unusual = /[%\\"<>^`{|}]|\/\./

/**
 * RFC 3986, sections 6.2.2.2 and 6.2.2.3, as browsers do it: backslashes are slashes, unreserved characters are decoded, those
 * that stand in no URI are escaped, other escapes stay as they were sent, and `..` ends at the root. Empty segments count.
 */
function canonicalise(path: string): string {
  if (!unusual.test(path)) return path
  const kept: string[] = []
  const segments = path.slice(1).replaceAll('\\', '/').split('/')
  for (const [index, sent] of segments.entries()) {
    const segment = spell(sent)
    if (segment !== '.' && segment !== '..') {
      kept.push(segment)
      continue
    }
    if (segment === '..') kept.pop()
    if (index === segments.length - 1) kept.push('')
  }
  return `/${kept.join('/')}`
}

function spell(segment: string): string {
  return segment
    .replace(/%(?:2[de]|3\d|[46][1-9a-f]|[57][\da]|5f|7e)/gi, decodeURIComponent)
    .replace(/["<>^`{|}]/g, encodeURIComponent)
}

function mergeSlashes(path: string): string {
  return path.replace(/\/{2,}/g, '/')
}
