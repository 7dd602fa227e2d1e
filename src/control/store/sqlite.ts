import { closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { parseSpiffeId, type SpiffeId } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import { type Endpoint, type Resource, type ResourceName, nameOf, resourceKey } from '../../policy/model.ts'
import { validateStored } from '../../policy/validate.ts'
import type {
  Batch,
  Commit,
  IssuedRecord,
  SidecarRecord,
  Store,
  StoredResource,
  StoreSource,
  TokenRecord,
} from './store.ts'
import { storageError } from './storage-error.ts'

/** Marks the file as ours: "ORTR". */
const APPLICATION_ID = 0x4f52_5452
const SCHEMA_VERSION = 3
const DAY_MS = 24 * 60 * 60 * 1000

/** 4 GiB of 4 KiB pages: far above what the limits of the control server let in, so that a fault cannot fill the disk. */
const MAX_PAGES = 1_048_576

/** Since version 2. */
const API_KEY_USES = `
  CREATE TABLE api_key_uses (id TEXT PRIMARY KEY, last_used INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

/** Since version 3: what sidecars compare is made of the content. */
const VERSIONS_ARE_DIGESTS = 'ALTER TABLE resources DROP COLUMN published_revision;'

const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE resources (
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL,
    revision INTEGER NOT NULL, changed_at INTEGER NOT NULL,
    PRIMARY KEY (kind, namespace, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL, spiffe_id TEXT NOT NULL, expires_at INTEGER NOT NULL,
    used_at INTEGER, revoked_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE sidecars (
    spiffe_id TEXT NOT NULL, sidecar_id TEXT NOT NULL, program_version TEXT NOT NULL, last_seen INTEGER NOT NULL,
    listeners TEXT NOT NULL, PRIMARY KEY (spiffe_id, sidecar_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE issued (serial TEXT PRIMARY KEY, spiffe_id TEXT NOT NULL, not_after INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
  CREATE INDEX issued_by_end ON issued (not_after);
  ${API_KEY_USES}
  INSERT INTO meta VALUES ('revision', 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/**
 * Opens the store in `file`, making it where it is missing. Errors, each one line for an operator: `database-corrupt`,
 * `database-foreign` (another program's, or of a later version), `database-busy`, `disk-full`, `database-failed`, `store-mismatch`.
 */
export function openSqliteStore(file: string, maxPages: number = MAX_PAGES, source: StoreSource = 'own'): Store {
  let database: DatabaseSync | undefined
  try {
    // SQLite would make it with the mode that the umask leaves.
    closeSync(openSync(file, 'a', 0o600))
    database = new DatabaseSync(file, { timeout: 1000 })
    // FULL: what a call has answered survives the loss of power.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF')
    database.exec(`PRAGMA max_page_count = ${maxPages}`)
    check(database, file)
    checkSource(database, file, source)
    return new SqliteStore(database, file, source)
  } catch (thrown) {
    database?.close()
    throw storageError(thrown, file)
  }
}

function check(database: DatabaseSync, file: string): void {
  const pragma = (name: string): SQLOutputValue | undefined => {
    const row = database.prepare(`PRAGMA ${name}`).get()
    return row === undefined ? undefined : Object.values(row)[0]
  }
  if (pragma('quick_check(1)') !== 'ok') {
    throw new OutriderError('database-corrupt', 'the database is damaged: restore the folder from a backup', {
      place: file,
      source: 'internal',
    })
  }
  const version = pragma('user_version')
  const application = pragma('application_id')
  if (version === 0 && application === 0 && pragma('schema_version') === 0) {
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`)
    return
  }
  if (application === APPLICATION_ID && (version === 1 || version === 2)) {
    const steps = version === 1 ? `${API_KEY_USES} ${VERSIONS_ARE_DIGESTS}` : VERSIONS_ARE_DIGESTS
    database.exec(`BEGIN IMMEDIATE; ${steps} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`)
    return
  }
  if (application !== APPLICATION_ID || version !== SCHEMA_VERSION) {
    throw new OutriderError(
      'database-foreign',
      `this is no database of this version of outrider (application ${String(application)}, schema ${String(version)}, ` +
        `wanted schema ${SCHEMA_VERSION})`,
      { place: file },
    )
  }
}

/** Whether the resources are written here, or are a copy of those of a cluster: a database has one of both for as long as it lives. */
function checkSource(database: DatabaseSync, file: string, source: StoreSource): void {
  const meta = new Map(
    database
      .prepare('SELECT key, value FROM meta')
      .all()
      .map((row) => [text(row, 'key'), integer(row, 'value')]),
  )
  const before: StoreSource = meta.get('kubernetes') === 1 ? 'kubernetes' : 'own'
  if (before === source) return
  if (meta.get('revision') !== 0) {
    throw new OutriderError(
      'store-mismatch',
      before === 'own'
        ? 'the resources in this database were applied here, and store: kubernetes would delete those that the cluster has not: ' +
            'apply them with kubectl, and start with an empty database'
        : 'this database is a copy of what a cluster has: start with store: kubernetes, or with an empty database',
      { place: file },
    )
  }
  database.prepare("INSERT OR REPLACE INTO meta VALUES ('kubernetes', ?)").run(source === 'kubernetes' ? 1 : 0)
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync
  readonly #file: string
  readonly #statements = new Map<string, StatementSync>()
  readonly #resources = new Map<string, StoredResource>()
  readonly #listeners = new Set<(commit: Commit) => void>()
  /** What a batch without a revision adds to it: that of a copy is not ours to count. */
  readonly #step: 0 | 1
  #revision: number

  constructor(database: DatabaseSync, file: string, source: StoreSource) {
    this.#step = source === 'own' ? 1 : 0
    this.#database = database
    this.#file = file
    this.#revision = integer(this.#get(`SELECT value FROM meta WHERE key = 'revision'`), 'value')
    for (const row of this.#all('SELECT * FROM resources')) {
      const stored = storedResource(row, file)
      this.#resources.set(resourceKey(nameOf(stored.resource)), stored)
    }
  }

  get revision(): number {
    return this.#revision
  }

  get size(): number {
    return this.#resources.size
  }

  get(name: ResourceName): StoredResource | undefined {
    return this.#resources.get(resourceKey(name))
  }

  list(filter: Parameters<Store['list']>[0] = {}): readonly StoredResource[] {
    return [...this.#resources]
      .filter(
        ([, { resource }]) =>
          (filter.kind === undefined || resource.kind === filter.kind) &&
          (filter.namespace === undefined || resource.metadata.namespace === filter.namespace),
      )
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, stored]) => stored)
  }

  commit(batch: Batch, nowMs: number): number {
    const { changes = [], touched = [], sidecar, revision = this.#revision + this.#step } = batch
    if (!(revision >= this.#revision)) throw new RangeError(`revision ${revision} is below ${this.#revision}`)
    this.#transaction(() => {
      this.#run(`UPDATE meta SET value = ? WHERE key = 'revision'`, [revision])
      for (const change of changes) {
        if (change.kind === 'put') {
          const { kind, namespace, name } = nameOf(change.resource)
          this.#run('INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?, ?, ?)', [
            kind,
            namespace,
            name,
            change.document,
            revision,
            nowMs,
          ])
        } else {
          const { kind, namespace, name } = change.name
          this.#run('DELETE FROM resources WHERE kind = ? AND namespace = ? AND name = ?', [kind, namespace, name])
        }
      }
      if (sidecar !== undefined) this.#putSidecar(sidecar)
    })
    // Only now: a transaction that failed has changed nothing.
    this.#revision = revision
    for (const change of changes) {
      if (change.kind === 'delete') this.#resources.delete(resourceKey(change.name))
      else {
        const { resource, document } = change
        const stored = { resource, document, revision, changedAtMs: nowMs }
        this.#resources.set(resourceKey(nameOf(resource)), stored)
      }
    }
    for (const name of touched) {
      const stored = this.get(name)
      // Another object: what is remembered of the one before, such as its resolved form, holds no more.
      if (stored !== undefined) this.#resources.set(resourceKey(name), { ...stored })
    }
    for (const listener of this.#listeners) listener({ revision, changes, touched })
    return revision
  }

  watch(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  addToken({ id, hash, spiffeId, expiresAtMs }: TokenRecord): void {
    this.#transaction(() =>
      this.#run('INSERT INTO tokens VALUES (?, ?, ?, ?, NULL, NULL)', [id, hash, spiffeId, expiresAtMs]),
    )
  }

  findToken(id: string): TokenRecord | undefined {
    const row = this.#get('SELECT * FROM tokens WHERE id = ?', [id])
    return row === undefined ? undefined : tokenRecord(row)
  }

  countTokens(): number {
    const row = this.#get('SELECT COUNT(*) AS count FROM tokens')
    return row === undefined ? 0 : integer(row, 'count')
  }

  listTokens(): readonly TokenRecord[] {
    return this.#all('SELECT * FROM tokens ORDER BY expires_at, id').map(tokenRecord)
  }

  revokeToken(id: string, nowMs: number): boolean {
    return this.#transaction(() =>
      this.#run('UPDATE tokens SET revoked_at = ? WHERE id = ? AND used_at IS NULL AND revoked_at IS NULL', [
        nowMs,
        id,
      ]),
    )
  }

  redeemToken(id: string, issued: IssuedRecord, nowMs: number): boolean {
    return this.#transaction(() => {
      const redeemed = this.#run(
        'UPDATE tokens SET used_at = ? WHERE id = ? AND used_at IS NULL AND revoked_at IS NULL AND expires_at > ?',
        [nowMs, id, nowMs],
      )
      if (redeemed) this.#putIssued(issued)
      return redeemed
    })
  }

  recordIssued(issued: IssuedRecord): void {
    // Every renewal makes a record, and a sync of the disk takes longer than all the rest of it. The next commit that is
    // synced takes this one along: the log of SQLite is written in order.
    this.#unsynced(() => this.#transaction(() => this.#putIssued(issued)))
  }

  recordApiKeyUses(uses: ReadonlyMap<string, number>): void {
    this.#unsynced(() =>
      this.#transaction(() => {
        for (const [id, lastUsedMs] of uses) {
          this.#run(
            'INSERT INTO api_key_uses VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET last_used = max(last_used, excluded.last_used)',
            [id, Math.round(lastUsedMs)],
          )
        }
      }),
    )
  }

  apiKeyUses(): ReadonlyMap<string, number> {
    return new Map(this.#all('SELECT * FROM api_key_uses').map((row) => [text(row, 'id'), integer(row, 'last_used')]))
  }

  sidecars(): readonly SidecarRecord[] {
    return this.#all('SELECT * FROM sidecars ORDER BY spiffe_id, sidecar_id').map((row) => ({
      spiffeId: spiffeId(row),
      sidecarId: text(row, 'sidecar_id'),
      programVersion: text(row, 'program_version'),
      lastSeenMs: integer(row, 'last_seen'),
      listeners: readListeners(text(row, 'listeners')),
    }))
  }

  forgetSidecar(id: SpiffeId, sidecarId: string): void {
    this.#transaction(() => this.#run('DELETE FROM sidecars WHERE spiffe_id = ? AND sidecar_id = ?', [id, sidecarId]))
  }

  findIssued(serial: string): IssuedRecord | undefined {
    const row = this.#get('SELECT * FROM issued WHERE serial = ?', [serial])
    return row && { serial, spiffeId: spiffeId(row), notAfterMs: integer(row, 'not_after') }
  }

  prune(nowMs: number, keepExpiredMs: number): void {
    const forgotten = this.#apiKeysThatAreNoMore()
    this.#transaction(() => {
      for (const id of forgotten) this.#run('DELETE FROM api_key_uses WHERE id = ?', [id])
      this.#run('DELETE FROM issued WHERE not_after < ?', [nowMs - keepExpiredMs])
      this.#run('DELETE FROM tokens WHERE expires_at < ?', [nowMs - DAY_MS])
    })
  }

  close(): void {
    this.#listeners.clear()
    this.#database.close()
  }

  #putSidecar({ spiffeId, sidecarId, programVersion, lastSeenMs, listeners }: SidecarRecord): void {
    this.#run('INSERT OR REPLACE INTO sidecars VALUES (?, ?, ?, ?, ?)', [
      spiffeId,
      sidecarId,
      programVersion,
      lastSeenMs,
      JSON.stringify(listeners),
    ])
  }

  #putIssued({ serial, spiffeId, notAfterMs }: IssuedRecord): void {
    this.#run('INSERT INTO issued VALUES (?, ?, ?)', [serial, spiffeId, notAfterMs])
  }

  #apiKeysThatAreNoMore(): readonly string[] {
    const present = this.list({ kind: 'ApiKey' }).flatMap(({ resource }) =>
      resource.kind === 'ApiKey' ? resource.spec.secrets.map(({ id }) => id) : [],
    )
    const known = new Set(present)
    return [...this.apiKeyUses().keys()].filter((id) => !known.has(id))
  }

  /** What `work` commits outlives the end of this process at once, and a loss of power a little later. */
  #unsynced<T>(work: () => T): T {
    this.#database.exec('PRAGMA synchronous = NORMAL')
    try {
      return work()
    } finally {
      this.#database.exec('PRAGMA synchronous = FULL')
    }
  }

  #transaction<T>(work: () => T): T {
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        this.#database.exec('COMMIT')
        return result
      } catch (thrown) {
        // SQLite has rolled back by itself after some errors, a full disk among them.
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
        throw thrown
      }
    } catch (thrown) {
      throw storageError(thrown, this.#file)
    }
  }

  /** True when a row was changed. */
  #run(sql: string, values: readonly SQLInputValue[]): boolean {
    return this.#prepare(sql).run(...values).changes !== 0
  }

  #get(sql: string, values: readonly SQLInputValue[] = []): Row | undefined {
    return this.#prepare(sql).get(...values)
  }

  #all(sql: string): Row[] {
    return this.#prepare(sql).all()
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

type Row = Record<string, SQLOutputValue>

function storedResource(row: Row, file: string): StoredResource {
  const document = text(row, 'document')
  return {
    resource: parseStored(document, row, file),
    document,
    revision: integer(row, 'revision'),
    changedAtMs: integer(row, 'changed_at'),
  }
}

/** Everything stored was admitted once; what is not valid any more was changed by another hand. */
function parseStored(document: string, row: Row, file: string): Resource {
  const name = resourceKey(named(row))
  let value: unknown
  try {
    value = JSON.parse(document)
  } catch {
    value = undefined
  }
  const result = validateStored(value)
  if (result.ok && resourceKey(nameOf(result.resource)) === name) return result.resource
  const why = result.ok ? 'its name differs' : `${result.violations[0]?.field}: ${result.violations[0]?.message}`
  throw new OutriderError('database-corrupt', `the stored resource ${name} is not valid: ${why}`, {
    place: file,
    source: 'internal',
  })
}

function named(row: Row): { kind: string; namespace: string; name: string } {
  return { kind: text(row, 'kind'), namespace: text(row, 'namespace'), name: text(row, 'name') }
}

/** As `#putSidecar` wrote it. */
function readListeners(json: string): readonly Endpoint[] {
  return JSON.parse(json)
}

function tokenRecord(row: Row): TokenRecord {
  const usedAtMs = optionalInteger(row, 'used_at')
  const revokedAtMs = optionalInteger(row, 'revoked_at')
  const hash = row['hash']
  return {
    id: text(row, 'id'),
    hash: Buffer.from(hash instanceof Uint8Array ? hash : []),
    spiffeId: spiffeId(row),
    expiresAtMs: integer(row, 'expires_at'),
    ...(usedAtMs === undefined ? {} : { usedAtMs }),
    ...(revokedAtMs === undefined ? {} : { revokedAtMs }),
  }
}

function spiffeId(row: Row): SpiffeId {
  return parseSpiffeId(text(row, 'spiffe_id'))
}

function text(row: Row, column: string): string {
  return String(row[column])
}

function integer(row: Row | undefined, column: string): number {
  return Number(row?.[column])
}

function optionalInteger(row: Row, column: string): number | undefined {
  const value = row[column]
  return value === null || value === undefined ? undefined : Number(value)
}
