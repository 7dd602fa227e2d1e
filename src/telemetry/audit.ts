import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import type { Clock } from '../lib/clock.ts'
import { describeError, OutriderError } from '../lib/errors.ts'

/** What the audit log keeps of one event. Fields that do not apply are absent; docs/reference/audit-log.md has them all. */
export interface AuditEvent {
  readonly event:
    | 'certificate-issued'
    | 'certificate-refused'
    | 'jwt-issued'
    | 'jwt-refused'
    | 'revocation-applied'
    | 'revocation-deleted'
    | 'trust-bundle-changed'
    | 'trust-domain-dropped'
    | 'token-created'
    | 'token-revoked'
    | 'api-key-created'
    | 'api-key-rotated'
    | 'api-key-revoked'
    | 'api-key-applied'
    | 'api-key-deleted'
    | 'authority-prepared'
    | 'authority-activated'
    | 'authority-tainted'
    | 'authority-revoked'
  /** How the certificate was asked for. */
  readonly how?: 'attest' | 'renew' | 'renew-expired' | 'own'
  /** Who asked, as evidence proved it. */
  readonly source?: string
  /** IP address that asked. */
  readonly address?: string
  readonly spiffeId?: string
  readonly serial?: string
  /** RFC 3339. */
  readonly notAfter?: string
  /** Selectors that were proved. */
  readonly selectors?: readonly string[]
  readonly dnsNames?: readonly string[]
  readonly tokenId?: string
  /** `namespace/name` of an ApiKey. */
  readonly apiKey?: string
  /** IDs of secrets of it. */
  readonly secretIds?: readonly string[]
  /** Of an ApiKey. */
  readonly owner?: string
  /** Whom a JWT-SVID is for. */
  readonly audience?: readonly string[]
  /** `kid` of what signed a JWT-SVID. */
  readonly keyId?: string
  /** `namespace/name` of a Revocation. */
  readonly revocation?: string
  /** SHA-256 of a root, hexadecimal. */
  readonly authority?: string
  /** A foreign one. */
  readonly trustDomain?: string
  /** SHA-256 of the roots of a trust bundle, hexadecimal. */
  readonly authorities?: readonly string[]
  /** Error code of a refusal. */
  readonly reason?: string
  readonly message?: string
}

/** An append-only record of who was given which identity, and who was not. */
export interface AuditLog {
  /** Written when it returns. Throws `audit-unwritable`: what cannot be recorded must not happen. */
  record(event: AuditEvent): void
  /**
   * As `record`, for what anybody can bring about at will: at most so many lines a second, the rest is counted. Never throws:
   * nothing was given out, and who is refused is to hear why, not that our disk is full.
   */
  recordRefusal(event: AuditEvent): void
  close(): void
}

/** Refusals that get a line: so many at once, and then so many a second. */
const REFUSALS_AT_ONCE = 1000
const REFUSALS_PER_SECOND = 50
/** Longest text of a field; some are made by strangers. */
const MAX_TEXT = 2048
/** How often it is looked whether the file was moved away, as log rotation does. */
const LOOK_MS = 1000

/**
 * Opens the audit log in `path`, mode 0600 when it is made here, and appends. `onLost` hears of refusals that could not be
 * written. Errors: `audit-unwritable`.
 */
export function openAuditLog(path: string, clock: Clock, onLost: (error: unknown) => void): AuditLog {
  return new FileAuditLog(path, clock, onLost)
}

class FileAuditLog implements AuditLog {
  readonly #path: string
  readonly #clock: Clock
  readonly #onLost: (error: unknown) => void
  #descriptor: number
  #lookedAt: number
  /** A write was cut short, so that the next line must not continue its. */
  #torn = false
  #refusals = REFUSALS_AT_ONCE
  #refilledAt: number
  #omitted = 0

  constructor(path: string, clock: Clock, onLost: (error: unknown) => void) {
    this.#path = path
    this.#clock = clock
    this.#onLost = onLost
    this.#descriptor = this.#guarded(() => openSync(path, 'a', 0o600))
    this.#lookedAt = clock.monotonic()
    this.#refilledAt = this.#lookedAt
  }

  record(event: AuditEvent): void {
    const omitted = this.#omitted
    const time = new Date(this.#clock.now()).toISOString()
    this.#write(`${JSON.stringify({ time, ...event, ...(omitted === 0 ? {} : { omitted }) }, shortened)}\n`)
    this.#omitted -= omitted
  }

  recordRefusal(event: AuditEvent): void {
    const now = this.#clock.monotonic()
    const earned = ((now - this.#refilledAt) / 1000) * REFUSALS_PER_SECOND
    this.#refilledAt = now
    this.#refusals = Math.min(REFUSALS_AT_ONCE, this.#refusals + earned)
    if (this.#refusals < 1) {
      this.#omitted += 1
      return
    }
    this.#refusals -= 1
    try {
      this.record(event)
    } catch (error) {
      this.#onLost(error)
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #write(line: string): void {
    this.#guarded(() => {
      this.#followRotation()
      const bytes = Buffer.from(this.#torn ? `\n${line}` : line)
      // One write, so that with O_APPEND lines of two writers never mix.
      const written = writeSync(this.#descriptor, bytes)
      this.#torn = written < bytes.length
      if (this.#torn) throw new Error('there is no space for a whole line')
    })
  }

  #followRotation(): void {
    const now = this.#clock.monotonic()
    if (now - this.#lookedAt < LOOK_MS) return
    const present = statSync(this.#path, { throwIfNoEntry: false })
    const ours = fstatSync(this.#descriptor)
    if (present?.ino !== ours.ino || present.dev !== ours.dev) {
      const fresh = openSync(this.#path, 'a', 0o600)
      closeSync(this.#descriptor)
      this.#descriptor = fresh
      this.#torn = false
    }
    this.#lookedAt = now
  }

  #guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (cause) {
      throw new OutriderError(
        'audit-unwritable',
        `the audit log ${this.#path} cannot be written, and without it no certificate is given out: ${describeError(cause)}`,
        { place: 'auditLogPath', source: 'internal', retryable: true, cause },
      )
    }
  }
}

function shortened(_key: string, value: unknown): unknown {
  return typeof value === 'string' && value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}...` : value
}
