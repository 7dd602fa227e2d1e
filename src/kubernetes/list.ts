import { AnswerTooLarge } from './call.ts'
import type { Exchange } from './exchange.ts'
import { ApiError } from './failure.ts'
import { type ClusterObject, isRecord, objectOf, pathOfType, type ResourceType } from './objects.ts'
import { type Asked, describeAsked, refusalOf } from './status.ts'

/** Which objects of a type are meant. */
export interface Selection {
  /** All namespaces, when not given. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export interface ListOptions extends Selection {
  /** Objects in one answer, 500 when not given; fewer are asked for when they turn out to be large. */
  readonly limitPerPage?: number
  /** A list of more is refused. */
  readonly maxObjects: number
  /** Keeps of each object what is needed, so that the rest takes no memory. */
  readonly slim?: (object: ClusterObject) => ClusterObject
  readonly signal?: AbortSignal
}

export interface ObjectList {
  readonly items: ClusterObject[]
  /** All items are as they were at this version: a watch goes on from it. */
  readonly resourceVersion: string
}

const LIMIT_PER_PAGE = 500
/** Of one page. It is parsed in one piece, which stops everything else meanwhile. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024
const PAGE_MS = 30_000
/** A continue token lasts as long as etcd keeps old versions, 5 minutes by default. */
const MAX_ATTEMPTS = 3

interface Page {
  readonly items: ClusterObject[]
  readonly resourceVersion: string
  readonly continueToken: string
}

/** Reads a collection page by page, as it was at one moment. */
export async function listObjects(exchange: Exchange, type: ResourceType, options: ListOptions): Promise<ObjectList> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await listOnce(exchange, type, options)
    } catch (error) {
      // The pages that came so far are of a state whose rest is gone.
      const expired = error instanceof ApiError && error.code === 'kubernetes-gone'
      if (!expired || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

async function listOnce(exchange: Exchange, type: ResourceType, options: ListOptions): Promise<ObjectList> {
  const { maxObjects, slim, namespace } = options
  const asked: Asked = { verb: 'list', type, namespace, path: pathOfType(type, namespace) }
  const items: ClusterObject[] = []
  let limit = options.limitPerPage ?? LIMIT_PER_PAGE
  let continueToken = ''
  let resourceVersion: string | undefined
  do {
    let page: Page
    try {
      page = await readPage(exchange, asked, options, limit, continueToken)
    } catch (error) {
      if (!(error instanceof ApiError && error.cause instanceof AnswerTooLarge) || limit === 1) throw error
      limit = Math.ceil(limit / 4)
      continue
    }
    if (page.items.length === 0 && page.continueToken !== '')
      throw new ApiError(
        'kubernetes-answer',
        `${describeAsked(asked)}: a page without objects that is not the last one`,
      )
    for (const object of page.items) items.push(slim === undefined ? object : slim(object))
    if (items.length > maxObjects) throw tooMany(asked, maxObjects)
    resourceVersion ??= page.resourceVersion
    continueToken = page.continueToken
  } while (resourceVersion === undefined || continueToken !== '')
  return { items, resourceVersion }
}

/** The version at which a collection is now, without its objects. */
export async function presentVersion(
  exchange: Exchange,
  type: ResourceType,
  options: Omit<ListOptions, 'maxObjects'>,
): Promise<string> {
  const { namespace } = options
  const asked: Asked = { verb: 'list', type, namespace, path: pathOfType(type, namespace) }
  const { resourceVersion } = await readPage(exchange, asked, options, 1, '')
  return resourceVersion
}

function tooMany(asked: Asked, maxObjects: number): ApiError {
  return new ApiError('kubernetes-too-many', `${describeAsked(asked)}: there are more than ${maxObjects} (maxObjects)`)
}

async function readPage(
  exchange: Exchange,
  asked: Asked,
  options: Omit<ListOptions, 'maxObjects'>,
  limit: number,
  continueToken: string,
): Promise<Page> {
  const query = selectionQuery(options)
  query.set('limit', String(limit))
  if (continueToken !== '') query.set('continue', continueToken)
  const answer = await exchange.ask(
    {
      path: `${asked.path}?${query.toString()}`,
      timeoutMs: PAGE_MS,
      maxAnswerBytes: MAX_PAGE_BYTES,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
    asked,
  )
  if (answer.status !== 200) throw refusalOf(answer, asked)
  return pageOf(answer.text, describeAsked(asked))
}

export function selectionQuery({ labelSelector, fieldSelector }: Selection): URLSearchParams {
  return new URLSearchParams({
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  })
}

function pageOf(text: string, what: string): Page {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    // The message of JSON.parse quotes what it was given.
    throw new ApiError('kubernetes-answer', `${what}: the answer is no JSON`)
  }
  if (!isRecord(list) || !isRecord(list['metadata']))
    throw new ApiError('kubernetes-answer', `${what}: the answer is no list`)
  const { apiVersion, kind, items, metadata } = list
  const { resourceVersion, continue: continueToken = '' } = metadata
  // No item at all is `null` in some versions.
  const all: unknown = items ?? []
  if (!Array.isArray(all) || typeof resourceVersion !== 'string' || typeof continueToken !== 'string')
    throw new ApiError('kubernetes-answer', `${what}: the answer is no list with a resourceVersion`)
  // The items of built-in types do not say what they are; those of a watch do.
  const said = typeof apiVersion === 'string' && typeof kind === 'string' && kind.endsWith('List')
  const own = said ? { apiVersion, kind: kind.slice(0, -'List'.length) } : {}
  return {
    items: all.map((item, index) => ({ ...own, ...objectOf(item, `${what}: items[${index}]`) })),
    resourceVersion,
    continueToken,
  }
}
