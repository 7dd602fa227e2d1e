import { OutriderError } from '../../lib/errors.ts'
import { unreachable } from '../../lib/unreachable.ts'
import {
  applyEdits,
  type DocumentChange,
  type Pointer,
  type TextEdit,
  type DocumentText,
} from '../../policy/document-change.ts'
import { type DocumentFault, openDocument, planChanges, splitDocuments } from '../../policy/document-edit.ts'
import { locateValue, placeIn } from '../../policy/document-place.ts'
import { annotationChange, injectPod } from '../inject-pod.ts'
import { INJECTED } from '../names.ts'
import { type InjectionRecord, MAX_RECORD_BYTES } from '../record.ts'
import { placed, type Refusal, type RefusalCode } from '../refusal.ts'
import type { InjectSettings } from '../settings.ts'
import { type FoundTemplate, templatesOf } from './templates.ts'
import { type Layer, recordUndo, type Undo } from './undo.ts'

/** What became of one pod template of a text. */
export interface TemplateResult {
  /** `Deployment cart`. */
  readonly object: string
  readonly outcome: 'injected' | 'injected-already' | 'disabled' | 'restored' | 'removed' | 'not-injected'
}

export type ManifestErrorCode = 'manifest-malformed' | 'manifest-too-large'

/** A fault of the text, with its place in it. */
export interface ManifestFault extends DocumentFault {
  readonly code: RefusalCode | ManifestErrorCode
}

export type ManifestResult =
  | { readonly ok: true; readonly text: string; readonly templates: readonly TemplateResult[] }
  | { readonly ok: false; readonly faults: readonly ManifestFault[] }

/** Most bytes of one manifest. */
export const MAX_MANIFEST_BYTES: number = 4 * 1024 * 1024
const MAX_FAULTS = 100
/** Each round writes out what stands in the way one level deeper. */
const MAX_ROUNDS = 16

/**
 * Gives every pod template of a YAML or JSON text its sidecar. Everything else stays as it is, byte for byte. All or nothing:
 * a fault anywhere refuses the whole text.
 */
export function injectText(text: string, settings: InjectSettings): ManifestResult {
  return editDocuments(text, (opened, report) => {
    let current = opened
    const results: TemplateResult[] = []
    for (const [index] of templatesOf(opened.value).entries()) {
      const template = templatesOf(current.value)[index]!
      const outcome = injectPod(template.value, template.owner, settings)
      const object = nameOf(template)
      if (outcome.kind === 'refused') {
        for (const refusal of outcome.refusals)
          report(refusal.code, placeOf(opened, template, refusal), placed(refusal.field, refusal.message))
      } else if (outcome.kind === 'unchanged') results.push({ object, outcome: outcome.why })
      else {
        current = injectTemplate(current, template, outcome.changes, outcome.record, report)
        results.push({ object, outcome: 'injected' })
      }
    }
    return { text: current.text, results }
  })
}

type ReportFault = (code: ManifestFault['code'], place: Place, message: string) => void
type Place = Pick<ManifestFault, 'line' | 'column'>
type EditDocument = (
  document: DocumentText,
  report: ReportFault,
) => { readonly text: string; readonly results: readonly TemplateResult[] }

/** Edits the documents of a text, one after the other. */
export function editDocuments(text: string, edit: EditDocument): ManifestResult {
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_MANIFEST_BYTES) {
    const message = `${bytes} bytes; the limit is ${MAX_MANIFEST_BYTES}`
    return { ok: false, faults: [{ code: 'manifest-too-large', line: 1, column: 1, message }] }
  }
  const faults: ManifestFault[] = []
  const templates: TemplateResult[] = []
  let result = ''
  let linesBefore = 0
  for (const piece of splitDocuments(text)) {
    const report: ReportFault = (code, { line, column }, message) => {
      if (faults.length < MAX_FAULTS) faults.push({ code, line: line + linesBefore, column, message })
    }
    const opened = openDocument(piece)
    if (opened !== undefined && 'document' in opened) {
      const edited = edit(opened, report)
      templates.push(...edited.results)
      result += edited.text
    } else {
      for (const fault of opened ?? []) report('manifest-malformed', fault, fault.message)
      result += piece
    }
    linesBefore += piece.split('\n').length - 1
  }
  return faults.length > 0 ? { ok: false, faults } : { ok: true, text: result, templates }
}

export function nameOf({ kind, owner }: FoundTemplate): string {
  return `${kind} ${owner ?? '(without a name)'}`
}

/** A message names the field; its place is that of the field or of the nearest that is there. */
function placeOf(opened: DocumentText, { pointer }: FoundTemplate, refusal: Refusal): Place {
  const steps = [...refusal.field.matchAll(/([^.[\]]+)(?:\[([^\]]*)\])?|\[([^\]]*)\]/g)].flatMap(
    ([, name, first, other]) => [name, first, other].filter((step) => step !== undefined),
  )
  return placeIn(opened, [...pointer, ...steps])
}

function injectTemplate(
  opened: DocumentText,
  template: FoundTemplate,
  changes: readonly DocumentChange[],
  record: InjectionRecord,
  report: ReportFault,
): DocumentText {
  const annotationAt: Pointer = [...template.pointer, 'metadata', 'annotations', INJECTED]
  const planned = (undo: Undo | undefined): readonly DocumentChange[] =>
    [...changes, annotationChange(template.value, undo === undefined ? record : { ...record, undo })].map((change) =>
      below(template.pointer, change),
    )
  const earlier: Layer[] = []
  let current = opened
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const plan = planChanges(current, planned(undefined))
    if ('edits' in plan) {
      const layer: Layer = { text: current.text, edits: plan.edits }
      const undo = undoOf(opened, template, [...earlier, layer], annotationAt)
      const bytes = Buffer.byteLength(JSON.stringify({ ...record, undo }))
      if (bytes > MAX_RECORD_BYTES) {
        const message = `what uninject needs has ${bytes} bytes, and an annotation can hold ${MAX_RECORD_BYTES}`
        report('inject-too-large', placeIn(opened, template.pointer), message)
        return opened
      }
      const final = planChanges(current, planned(undo))
      if ('edits' in final) return reopened(applyEdits(current.text, final.edits))
    } else {
      earlier.push({ text: current.text, edits: plan.expand })
      current = reopened(applyEdits(current.text, plan.expand))
    }
  }
  throw new OutriderError('manifest-unchangeable', `${nameOf(template)} is written in a way that cannot be edited`, {
    place: placeText(placeIn(opened, template.pointer)),
    source: 'internal',
  })
}

/** What the annotation will hold does not move what is before and behind it. */
function undoOf(opened: DocumentText, template: FoundTemplate, layers: readonly Layer[], annotationAt: Pointer): Undo {
  const { text, edits } = layers.at(-1)!
  const own = edits.at(-1)!
  const result = reopened(applyEdits(text, edits))
  const key = locateValue(result, annotationAt)!
  const start = startOf(own, edits)
  const around = [key.keyStart - start, start + own.text.length - key.end] as const
  const range = rangeOf(opened, template.pointer)
  return recordUndo(layers, own, around, range)
}

/** Where the text of an edit begins in the result. */
function startOf(edit: TextEdit, edits: readonly TextEdit[]): number {
  const before = edits.filter((other) => other !== edit && other.end <= edit.start)
  return before.reduce((start, { start: from, end, text }) => start + text.length - (end - from), edit.start)
}

function rangeOf(opened: DocumentText, pointer: Pointer): readonly [number, number] {
  const place = pointer.length === 0 ? undefined : locateValue(opened, pointer)
  return place === undefined ? [0, opened.text.length] : [place.keyStart, place.end]
}

function reopened(text: string): DocumentText {
  const opened = openDocument(text)
  if (opened !== undefined && 'document' in opened) return opened
  const [fault] = opened ?? []
  throw new OutriderError('manifest-unchangeable', `an edit broke the document: ${fault?.message ?? 'it is empty'}`, {
    source: 'internal',
  })
}

function placeText({ line, column }: Place): string {
  return `${line}:${column}`
}

function below(pointer: Pointer, change: DocumentChange): DocumentChange {
  switch (change.op) {
    case 'put':
      return { ...change, map: [...pointer, ...change.map] }
    case 'prepend':
      return { ...change, list: [...pointer, ...change.list] }
    case 'replace':
      return { ...change, at: [...pointer, ...change.at] }
    default:
      return unreachable(change)
  }
}
