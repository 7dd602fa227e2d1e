import { OutriderError } from '../../lib/errors.ts'
import type { Pointer, DocumentText } from '../../policy/document-change.ts'
import { openDocument, rewriteDocument } from '../../policy/document-edit.ts'
import { locateValue } from '../../policy/document-place.ts'
import { INJECTED } from '../names.ts'
import { readPod } from '../pod.ts'
import { type InjectionRecord, recordOf } from '../record.ts'
import { uninjectPod } from '../uninject-pod.ts'
import { editDocuments, type ManifestResult, nameOf, type TemplateResult } from './inject-text.ts'
import { templatesOf } from './templates.ts'
import { readUndo, revert } from './undo.ts'

/**
 * Takes every sidecar out of a text. A pod that is as it was injected becomes what it was, byte for byte (`restored`); of one
 * that has changed since, or that comes from a cluster, what was added goes, and the layout of its document may change (`removed`).
 */
export function uninjectText(text: string): ManifestResult {
  return editDocuments(text, (opened, report) => {
    let current = opened
    const results: TemplateResult[] = []
    // Backwards, as each injection has seen what those before it had made.
    for (const index of [...templatesOf(opened.value).keys()].toReversed()) {
      const template = templatesOf(current.value)[index]!
      const object = nameOf(template)
      // What is wrong with a pod beside its injection does not matter here.
      const pod = readPod(template.value, () => undefined)
      const record = pod && recordOf(pod)
      if (record === 'damaged') {
        const message = `the annotation ${INJECTED} does not tell what was done: ${object} was not injected like this`
        report('inject-name-conflict', { line: 1, column: 1 }, message)
      } else if (pod === undefined || record === undefined) results.push({ object, outcome: 'not-injected' })
      else {
        const restored = restore(current, template.pointer, record)
        const below = (pointer: Pointer): Pointer => [...template.pointer, ...pointer]
        const { remove, replace } = uninjectPod(pod, record)
        current = reopened(
          restored ??
            rewriteDocument(
              current,
              remove.map(below),
              replace.map(([at, value]) => [below(at), value]),
            ),
          object,
        )
        results.push({ object, outcome: restored === undefined ? 'removed' : 'restored' })
      }
    }
    return { text: current.text, results: results.toReversed() }
  })
}

function restore(opened: DocumentText, pointer: Pointer, { undo }: InjectionRecord): string | undefined {
  const recorded = readUndo(undo)
  const key = locateValue(opened, [...pointer, 'metadata', 'annotations', INJECTED])
  return recorded === undefined || key === undefined ? undefined : revert(opened.text, recorded, key)
}

function reopened(text: string, object: string): DocumentText {
  const opened = openDocument(text)
  if (opened !== undefined && 'document' in opened) return opened
  throw new OutriderError('manifest-unchangeable', `${object} could not be taken apart`, { source: 'internal' })
}
