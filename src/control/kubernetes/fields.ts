import { isRecord } from '../../kubernetes/objects.ts'

type Fields = Readonly<Record<string, unknown>>

/** Reads objects of the API server, which has checked them: what is not of the type that is wanted is as good as absent. */
export function mappingAt(object: Fields | undefined, field: string): Fields {
  const value = object?.[field]
  return isRecord(value) ? value : {}
}

export function itemsAt(object: Fields | undefined, field: string): readonly unknown[] {
  const value = object?.[field]
  return Array.isArray(value) ? value : []
}

export function textAt(object: Fields | undefined, field: string): string | undefined {
  const value = object?.[field]
  return typeof value === 'string' ? value : undefined
}

export function numberAt(object: Fields | undefined, field: string): number | undefined {
  const value = object?.[field]
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined
}
