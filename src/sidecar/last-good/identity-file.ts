import { createPrivateKey, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { loadSvid } from '../../identity/svid.ts'
import { replaceDurablyLater } from '../../lib/durable-file.ts'
import { OutriderError } from '../../lib/errors.ts'
import { readPrivateFile } from '../../lib/private-file.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import { bundlesOf, wireBundles } from '../../rpc/bundles.ts'
import { protocols } from '../../rpc/load.ts'
import type { IssuedSvid__Output } from '../../wire/outrider/identity/v1/IssuedSvid.ts'

const NAME = 'identity.json'
const VERSION = 1
/** A chain, 64 roots in each of 65 trust domains, and room. */
const MAX_BYTES = 16 * 1024 * 1024

interface Written {
  readonly version: number
  /** PEM, PKCS#8. */
  readonly privateKey: string
  /** Base64 of the message `IssuedSvid`, as the control server sends it. */
  readonly issued: string
}

/** The identity that a control server issued, with its private key, in a private folder: for the next start. */
export class IdentityFile {
  readonly path: string

  constructor(folder: string) {
    this.path = join(folder, NAME)
  }

  /**
   * The identity, verified as one that has just been issued; undefined when there is none. Throws `OutriderError` with
   * `kept-identity-malformed`, or what `readPrivateFile`, `parseBundle` and `loadSvid` throw, with the path as its place.
   */
  read(nowMs: number): Credentials | undefined {
    const bytes = readPrivateFile(this.path, MAX_BYTES)
    if (bytes === undefined) return undefined
    try {
      const { privateKey, issued } = this.#parse(bytes)
      const { chain, bundles: message } = decodeIssued(issued)
      const bundles = bundlesOf(message)
      return Object.freeze({ svid: loadSvid(chain, keyOf(privateKey), bundles, nowMs), bundles })
    } catch (thrown) {
      // Without the cause: nothing of a key belongs into a log.
      if (thrown instanceof OutriderError) throw new OutriderError(thrown.code, thrown.message, { place: this.path })
      throw this.#malformed()
    }
  }

  async write({ svid, bundles }: Credentials): Promise<void> {
    const issued = protocols().identity.IssuedSvid.serialize({
      spiffeId: svid.id,
      chain: [...svid.chainDer],
      bundles: wireBundles(bundles),
    })
    const written: Written = {
      version: VERSION,
      privateKey: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      issued: issued.toString('base64'),
    }
    await replaceDurablyLater(this.path, [Buffer.from(`${JSON.stringify(written)}\n`)])
  }

  #parse(bytes: Buffer): Written {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (!isWritten(value)) throw this.#malformed()
    return value
  }

  #malformed(): OutriderError<'kept-identity-malformed'> {
    return new OutriderError('kept-identity-malformed', 'the file is not an identity as this program writes it', {
      place: this.path,
    })
  }
}

function isWritten(value: unknown): value is Written {
  if (typeof value !== 'object' || value === null) return false
  const { version, privateKey, issued }: Readonly<Record<string, unknown>> = { ...value }
  return version === VERSION && typeof privateKey === 'string' && typeof issued === 'string'
}

function decodeIssued(text: string): IssuedSvid__Output {
  return protocols().identity.IssuedSvid.deserialize(Buffer.from(text, 'base64'))
}

function keyOf(pem: string): KeyObject {
  return createPrivateKey({ key: pem, format: 'pem' })
}
