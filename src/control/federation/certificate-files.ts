import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { readSmallFile } from '../../lib/small-file.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import type { Logger } from '../../telemetry/log.ts'

/** A certificate chain and its key, PEM. */
export interface CertificatePair {
  readonly chainPem: string
  readonly privateKeyPem: string
}

const LOOK_EVERY_MS = 10_000
const MAX_FILE_BYTES = 256 * 1024

/**
 * A certificate of the Web PKI in two files that another tool renews. They are looked at every ten seconds; a pair that does not
 * fit, as between the writing of the two, leaves the present one in force and is tried again.
 */
export class CertificateFiles {
  readonly #cell: WatchCell<CertificatePair>
  readonly #certificateFile: string
  readonly #keyFile: string
  readonly #clock: Clock
  readonly #log: Logger
  #timer: Timer | undefined
  #complained = ''

  /** Throws `bundle-endpoint-certificate`. */
  constructor(certificateFile: string, keyFile: string, clock: Clock, log: Logger) {
    this.#certificateFile = certificateFile
    this.#keyFile = keyFile
    this.#clock = clock
    this.#log = log
    this.#cell = new WatchCell(readPair(certificateFile, keyFile))
    this.#arm()
  }

  get pair(): Watch<CertificatePair> {
    return this.#cell
  }

  close(): void {
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#clock.after(LOOK_EVERY_MS, () => {
      this.#look()
      this.#arm()
    })
  }

  #look(): void {
    try {
      const next = readPair(this.#certificateFile, this.#keyFile)
      this.#complained = ''
      const { chainPem, privateKeyPem } = this.#cell.current
      if (next.chainPem === chainPem && next.privateKeyPem === privateKeyPem) return
      this.#cell.set(next)
      this.#log.info({ certificateFile: this.#certificateFile }, 'the certificate of the bundle endpoint was renewed')
    } catch (thrown) {
      const error = describeError(thrown)
      if (error !== this.#complained) this.#log.error({ error }, 'the bundle endpoint keeps its present certificate')
      this.#complained = error
    }
  }
}

function readPair(certificateFile: string, keyFile: string): CertificatePair {
  const chainPem = read(certificateFile)
  const privateKeyPem = read(keyFile)
  try {
    if (!new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(privateKeyPem)))
      throw new Error(`the key in ${keyFile} is not that of the first certificate`)
  } catch (cause) {
    throw unusable(certificateFile, cause)
  }
  return { chainPem, privateKeyPem }
}

function read(path: string): string {
  try {
    return readSmallFile(path, MAX_FILE_BYTES).text
  } catch (cause) {
    throw unusable(path, cause)
  }
}

function unusable(path: string, cause: unknown): OutriderError<'bundle-endpoint-certificate'> {
  return new OutriderError('bundle-endpoint-certificate', `${path} cannot be used: ${describeError(cause)}`, {
    place: path,
  })
}
