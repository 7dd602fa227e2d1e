import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type BundleDocument, formatBundleDocument } from '../../identity/bundle-document.ts'
import { parseFederatedBundle } from '../../identity/federated-bundle.ts'
import type { TrustDomain } from '../../identity/spiffe-id.ts'
import { replaceDurably } from '../../lib/durable-file.ts'
import { describeError } from '../../lib/errors.ts'
import { readSmallFile } from '../../lib/small-file.ts'
import type { Logger } from '../../telemetry/log.ts'

/** The bundle of a foreign trust domain as it is believed, and kept over restarts. */
export interface LastGood {
  /** With the sequence of its publisher. */
  readonly document: BundleDocument
  /** Digest of what the resource says: with another endpoint or another start value the bundle counts no more. */
  readonly origin: string
  /** When its endpoint last gave it; absent while it is the start value of the resource. */
  readonly fetchedAtMs?: number
  /** The sequence with which it is distributed in the mesh. */
  readonly meshSequence: number
}

const FOLDER = 'federation'
/** A document as large as one may be, quoted. */
const MAX_FILE_BYTES = 4 * 1024 * 1024
const VERSION = 1

/**
 * The bundles of foreign trust domains that were believed last, one file each, in a folder that nobody else may enter. A file that
 * cannot be read is as if it were not there, with a line in the log: the start value of the resource, or the endpoint, takes its
 * place.
 */
export class LastGoodBundles {
  readonly #folder: string
  readonly #log: Logger

  constructor(dataDir: string, log: Logger) {
    this.#folder = join(dataDir, FOLDER)
    this.#log = log
  }

  read(trustDomain: TrustDomain): LastGood | undefined {
    const path = this.#pathOf(trustDomain)
    try {
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined
      return parse(readSmallFile(path, MAX_FILE_BYTES).text, trustDomain)
    } catch (thrown) {
      this.#log.error({ trustDomain, path, error: describeError(thrown) }, 'a kept trust bundle is not readable')
      return undefined
    }
  }

  /** What cannot be written is lost with the next restart, and with that only: logged, and no reason to believe less now. */
  write(trustDomain: TrustDomain, value: LastGood): void {
    const path = this.#pathOf(trustDomain)
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
      replaceDurably(path, format(trustDomain, value))
    } catch (thrown) {
      this.#log.error({ trustDomain, path, error: describeError(thrown) }, 'a trust bundle cannot be kept')
    }
  }

  remove(trustDomain: TrustDomain): void {
    try {
      rmSync(this.#pathOf(trustDomain), { force: true })
    } catch (thrown) {
      this.#log.error({ trustDomain, error: describeError(thrown) }, 'a kept trust bundle cannot be removed')
    }
  }

  /** Removes the files of all trust domains but these. */
  keepOnly(trustDomains: Iterable<TrustDomain>): void {
    const kept = new Set(Array.from(trustDomains, nameOf))
    try {
      for (const name of readdirSync(this.#folder)) {
        if (!kept.has(name)) rmSync(join(this.#folder, name), { recursive: true, force: true })
      }
    } catch (thrown) {
      if (lstatSync(this.#folder, { throwIfNoEntry: false }) === undefined) return
      this.#log.error({ path: this.#folder, error: describeError(thrown) }, 'kept trust bundles cannot be removed')
    }
  }

  #pathOf(trustDomain: TrustDomain): string {
    return join(this.#folder, nameOf(trustDomain))
  }
}

/** A trust domain may be as long as a file name, and may consist of dots. */
function nameOf(trustDomain: TrustDomain): string {
  return `${sha256(trustDomain)}.json`
}

function format(trustDomain: TrustDomain, { document: held, origin, fetchedAtMs, meshSequence }: LastGood): string {
  const { bundle, sequenced, refreshHintMs = 0 } = held
  const text = formatBundleDocument(bundle, refreshHintMs)
  const content = { version: VERSION, trustDomain, origin, fetchedAtMs, meshSequence, sequenced, document: text }
  return `${JSON.stringify({ ...content, sha256: sha256(JSON.stringify(content)) })}\n`
}

function parse(text: string, trustDomain: TrustDomain): LastGood {
  const value: unknown = JSON.parse(text)
  if (!isRecord(value)) throw new Error('it is no object')
  const { sha256: digest, ...content } = value
  if (digest !== sha256(JSON.stringify(content))) throw new Error('its checksum is wrong')
  const { version, origin, fetchedAtMs, meshSequence, sequenced, document } = content
  if (version !== VERSION) throw new Error('it is of another version')
  if (content['trustDomain'] !== trustDomain) throw new Error('it is of another trust domain')
  if (typeof origin !== 'string' || typeof document !== 'string' || typeof sequenced !== 'boolean')
    throw new Error('it lacks a field')
  if (!isCount(meshSequence) || !(fetchedAtMs === undefined || isCount(fetchedAtMs)))
    throw new Error('it lacks a number')
  const parsed = parseFederatedBundle(Buffer.from(document), trustDomain)
  const times = fetchedAtMs === undefined ? {} : { fetchedAtMs }
  return { document: { ...parsed, sequenced }, origin, meshSequence, ...times }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
