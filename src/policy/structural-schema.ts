/**
 * What a document looks like, in the part of OpenAPI v3 that the API server of Kubernetes takes ("structural schema"). Such a
 * schema refuses nothing that its reader takes; what it cannot say, the reader alone refuses. It holds no defaults: a
 * document stays as it was written.
 */
export type StructuralSchema = {
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'boolean'
  readonly description?: string
  readonly nullable?: true
  readonly properties?: { readonly [name: string]: StructuralSchema }
  readonly required?: readonly string[]
  readonly minProperties?: number
  readonly items?: StructuralSchema
  readonly minItems?: number
  readonly maxItems?: number
  readonly enum?: readonly string[]
  /** RE2. */
  readonly pattern?: string
  /** In characters where the reader counts UTF-16 code units: of those there are as many, or more. */
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly 'x-kubernetes-preserve-unknown-fields'?: true
  readonly 'x-kubernetes-validations'?: readonly SchemaRule[]
  readonly 'x-kubernetes-list-type'?: 'map'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
}

/** A condition in CEL on the value that its schema is of, which is `self`. The API server has a budget for them all. */
export type SchemaRule = {
  readonly rule: string
  readonly message: string
  /** Below the value, with a dot before it: `.notAfter`. */
  readonly fieldPath?: string
}

/** How a text is written, as far as one regular expression says it. */
export interface TextForm {
  /** Without flags, and without what RE2 does not know: looking ahead or behind, and references back. */
  readonly pattern?: RegExp
  /** Where it is lower than that of every text. */
  readonly maxLength?: number
  readonly description?: string
}

export function textSchema(max: number, { pattern, maxLength = max, description }: TextForm): StructuralSchema {
  return {
    type: 'string',
    ...(description === undefined ? {} : { description }),
    maxLength: Math.min(maxLength, max),
    // Slashes are escaped in JavaScript alone.
    ...(pattern === undefined ? {} : { pattern: pattern.source.replaceAll('\\/', '/') }),
  }
}

/** The schema with further rules, after those that it has. */
export function withRules(schema: StructuralSchema, rules: readonly SchemaRule[]): StructuralSchema {
  if (rules.length === 0) return schema
  return { ...schema, 'x-kubernetes-validations': [...(schema['x-kubernetes-validations'] ?? []), ...rules] }
}

/** Longer lists are left to the reader: comparing each entry with each costs the API server more than it spends on one rule. */
const MAX_COMPARED = 64

/** Of a list: no two entries have the same `field`, or, without one, are the same text. Entries without the field do not count. */
export function uniquenessRule(field: string | undefined, mayBeAbsent: boolean): SchemaRule {
  const same =
    field === undefined
      ? 'self.exists_one(b, b == a)'
      : mayBeAbsent
        ? `!has(a.${field}) || self.exists_one(b, has(b.${field}) && b.${field} == a.${field})`
        : `self.exists_one(b, b.${field} == a.${field})`
  return {
    rule: `self.size() > ${MAX_COMPARED} || self.all(a, ${same})`,
    message: field === undefined ? 'an entry is there twice' : `two entries have the same ${field}`,
  }
}
