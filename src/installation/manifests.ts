import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ClusterObject, isRecord, objectOf } from '../kubernetes/objects.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { packageRoot } from '../lib/package-root.ts'
import { readSmallFile } from '../lib/small-file.ts'
import { MAX_TEXT_BYTES, parseDocuments } from '../policy/document.ts'
import { inOrder, typeOf } from './object-types.ts'

/** The kustomization that is installed. */
export const BASE: string = join(packageRoot, 'deploy', 'base')
const KUSTOMIZATION = 'kustomization.yaml'

/**
 * The objects of a kustomization as its files have them, in the order in which they are installed. Of kustomize only `resources` is
 * followed: what else stands in `deploy/base` changes nothing. Throws `install-manifests`.
 */
export function readManifests(folder: string = BASE): readonly ClusterObject[] {
  const objects = objectsOf(folder)
  for (const object of objects) typeOf(object)
  return inOrder(objects)
}

function objectsOf(folder: string): readonly ClusterObject[] {
  const path = join(folder, KUSTOMIZATION)
  const [kustomization] = documentsOf(path)
  const resources = isRecord(kustomization) ? kustomization['resources'] : undefined
  if (!Array.isArray(resources)) throw damaged(path, 'has no list of resources')
  return resources.flatMap((resource: unknown) => {
    if (typeof resource !== 'string') throw damaged(path, 'has a resource that is no path')
    const full = join(folder, resource)
    return isFolder(full) ? objectsOf(full) : documentsOf(full).map((document) => objectOf(document, full))
  })
}

function documentsOf(path: string): readonly unknown[] {
  let text: string
  try {
    text = readSmallFile(path, MAX_TEXT_BYTES).text
  } catch (cause) {
    throw damaged(path, `cannot be read: ${describeError(cause)}`, cause)
  }
  const { documents, errors } = parseDocuments(text, path)
  const [error] = errors
  if (error !== undefined) throw damaged(path, `${error.line}:${error.column}: ${error.message}`)
  return documents.map(({ value }) => value)
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function damaged(path: string, message: string, cause?: unknown): OutriderError<'install-manifests'> {
  return new OutriderError('install-manifests', `the manifests of this package are not whole: ${path} ${message}`, {
    place: dirname(path),
    source: 'internal',
    cause,
  })
}
