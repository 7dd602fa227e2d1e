import type { Output } from './command.ts'

export type Format = 'table' | 'json' | 'yaml'

/** A value that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined }

/** What was read from JSON or YAML, as a value that JSON can hold: dates and the like become texts. */
export function jsonOf(value: unknown): Json {
  const copy: Json = JSON.parse(JSON.stringify(value))
  return copy
}

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Said in place of a table without rows. */
  readonly empty: string
}

/** Prints one result in the form that `-o` asks for. */
export function print(output: Output, format: Format, value: Json, table: () => Table): void {
  switch (format) {
    case 'json':
      output.write(`${JSON.stringify(value, null, output.isTerminal ? 2 : 0)}\n`)
      break
    case 'yaml':
      output.write(`${toYaml(value)}\n`)
      break
    case 'table':
      output.write(formatTable(table()))
      break
  }
}

/** Columns as wide as their widest cell, two spaces apart. Cells come from the mesh: they never bring control characters. */
export function formatTable({ columns, rows, empty }: Table): string {
  if (rows.length === 0) return `${empty}\n`
  const lines = [columns, ...rows].map((row) => row.map(printable))
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** Replaces what could move the cursor or colour of a terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')
}

/** The state of a record of the administration API as a word: `STATE_SYNCED` is `synced`. */
export function stateWord(state: `STATE_${string}`): string {
  return state.slice('STATE_'.length).toLowerCase()
}

/** A time as a person reads it: `2026-01-31 12:00:05Z`. */
export function formatTime(ms: number | undefined): string {
  return ms === undefined
    ? '-'
    : new Date(ms)
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z')
}

/** How long ago, or until when: the largest unit alone, `5m`, `3h`, `12d`. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds}s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** Scalars that YAML 1.1 and 1.2 readers alike take for this very text without quotes. */
const PLAIN = /^[A-Za-z/][\w./*-]*$/
const NOT_TEXT = /^(?:true|false|yes|no|on|off|y|n|null|nan|inf)$/i

/** YAML in block style. Strings that are not plainly words are quoted as in JSON, which YAML 1.2 contains. */
export function toYaml(value: Json, indent = ''): string {
  if (isList(value)) {
    if (value.length === 0) return '[]'
    return value.map((item) => `${indent}- ${nested(item, `${indent}  `)}`).join('\n')
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter((entry): entry is [string, Json] => entry[1] !== undefined)
    if (entries.length === 0) return '{}'
    return entries.map(([key, item]) => `${indent}${scalar(key)}:${under(item, indent)}`).join('\n')
  }
  return indent + scalar(value)
}

/** After `- `: the first line goes on where the dash left off. */
function nested(item: Json, indent: string): string {
  return toYaml(item, indent).slice(isFilled(item) || !isComposite(item) ? indent.length : 0)
}

/** After `key:`. */
function under(item: Json, indent: string): string {
  if (!isFilled(item)) return ` ${toYaml(item)}`
  return `\n${toYaml(item, isList(item) ? indent : `${indent}  `)}`
}

function scalar(value: string | number | boolean | null): string {
  if (typeof value === 'string' && PLAIN.test(value) && !NOT_TEXT.test(value)) return value
  return JSON.stringify(value)
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function isComposite(value: Json): boolean {
  return typeof value === 'object' && value !== null
}

function isFilled(value: Json): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}
