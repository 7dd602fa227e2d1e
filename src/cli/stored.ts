import { millisecondsOf } from '../lib/protobuf-time.ts'
import type { StoredResource__Output } from '../wire/outrider/admin/v1/StoredResource.ts'
import { formatTime, type Json, type Table } from './output.ts'

/** The document as it was applied. */
export function documentOf({ document }: StoredResource__Output): Json {
  return JSON.parse(document)
}

export function resourceTable(resources: readonly StoredResource__Output[]): Table {
  return {
    columns: ['KIND', 'NAMESPACE', 'NAME', 'REVISION', 'CHANGED'],
    rows: resources.map(({ ref, revision, changedAt }) => [
      ref?.kind ?? '',
      ref?.namespace ?? '',
      ref?.name ?? '',
      String(revision),
      formatTime(millisecondsOf(changedAt)),
    ]),
    empty: 'no resources',
  }
}
