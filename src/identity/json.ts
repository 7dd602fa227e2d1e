import { OutriderError } from '../lib/errors.ts'
import { quote } from './about.ts'

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [member: string]: JsonValue
}

export const jsonErrorCodes = ['json-malformed', 'json-duplicate-member', 'json-too-deep'] as const
export type JsonErrorCode = (typeof jsonErrorCodes)[number]

const MAX_DEPTH = 16
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads one JSON object (RFC 8259) of a stranger: UTF-8 without a byte order mark, no member twice at any depth, which
 * readers resolve differently (RFC 8259, 4), nested at most 16 deep. The caller bounds its size. Throws
 * `OutriderError<JsonErrorCode>`, whose message leaves it to the caller to name what was read.
 */
export function parseJsonObject(bytes: Uint8Array): JsonObject {
  let text: string
  let value: unknown
  try {
    text = utf8.decode(bytes)
    value = JSON.parse(text)
  } catch {
    // The message of JSON.parse quotes its input.
    throw new OutriderError('json-malformed', 'is not JSON in UTF-8')
  }
  checkStructure(text)
  if (!isJsonObject(value)) throw new OutriderError('json-malformed', 'is JSON, but no object')
  return value
}

/** Of what `JSON.parse` gave. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value of a stranger for a message. Never by `String`, which calls the `toString` that an object may bring. */
export function quoteJson(value: JsonValue | undefined): string {
  if (value === undefined) return 'none'
  return typeof value === 'string' ? quote(value) : quote(JSON.stringify(value))
}

/** Of text that is JSON: `JSON.parse` takes the last of several members of one name, and tells nobody. */
function checkStructure(text: string): void {
  /** The names of members so far, for each object or list that is open. */
  const open: Set<string>[] = []
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (character === '{' || character === '[') {
      if (open.length === MAX_DEPTH) throw new OutriderError('json-too-deep', `is nested more than ${MAX_DEPTH} deep`)
      open.push(new Set())
    } else if (character === '}' || character === ']') {
      open.pop()
    } else if (character === '"') {
      const end = endOfString(text, at)
      if (isName(text, end)) addMember(open.at(-1), text.slice(at, end))
      at = end - 1
    }
  }
}

/** Where the string that begins at `start` is over. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** Whether a colon comes next. */
function isName(text: string, end: number): boolean {
  let at = end
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1
  return text[at] === ':'
}

function addMember(members: Set<string> | undefined, literal: string): void {
  // Escapes make many spellings of one name.
  const name: unknown = literal.includes('\\') ? JSON.parse(literal) : literal.slice(1, -1)
  if (typeof name !== 'string' || members === undefined) return
  if (members.has(name)) throw new OutriderError('json-duplicate-member', `has the member ${quote(name)} twice`)
  members.add(name)
}
