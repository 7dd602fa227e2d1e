import { setImmediate as turn } from 'node:timers/promises'
import { OutriderError } from '../../lib/errors.ts'
import { protocols } from '../../rpc/load.ts'
import type { Resource__Output } from '../../wire/outrider/policy/v1/Resource.ts'
import type { Held, HeldResources, SentResources } from '../snapshot/snapshot.ts'
import { MAX_BODY_BYTES } from './sealed.ts'

/** Each message follows its length: four bytes, the highest first. */
const LENGTH_BYTES = 4
/** What is encoded in one turn of the event loop. */
const SLICE_RESOURCES = 64
const SLICE_BYTES = 64 * 1024

/**
 * What came over the wire for each resource that is held. What we made of it would not do: a rule with a condition that we do not know
 * would lose even that. A message becomes bytes when it is first asked for, which the next copy has again.
 */
export class SentMessages implements SentResources {
  readonly #sent = new WeakMap<Held, Resource__Output | Buffer>()

  note(held: Held, message: Resource__Output): void {
    this.#sent.set(held, message)
  }

  /** Of a resource that was noted. */
  bytesOf(held: Held): Buffer {
    const sent = this.#sent.get(held)
    if (sent === undefined) throw new TypeError('a resource is held of which nobody knows how it came')
    if (Buffer.isBuffer(sent)) return sent
    const bytes = protocols().policy.Resource.serialize(sent)
    this.#sent.set(held, bytes)
    return bytes
  }
}

/**
 * The resources as their messages of the policy stream, one after the other, in pieces. Many of them do not hold up the event loop.
 * Throws `last-good-too-large`.
 */
export async function encodeResources(held: HeldResources, sent: SentMessages): Promise<readonly Buffer[]> {
  const slices: Buffer[] = []
  let slice: Buffer[] = []
  let sliceBytes = 0
  let bytes = 0
  const endSlice = (): void => {
    slices.push(Buffer.concat(slice))
    slice = []
    sliceBytes = 0
  }
  for (const each of held.values()) {
    const message = sent.bytesOf(each)
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt32BE(message.length)
    slice.push(length, message)
    sliceBytes += LENGTH_BYTES + message.length
    bytes += LENGTH_BYTES + message.length
    if (bytes > MAX_BODY_BYTES) {
      throw new OutriderError(
        'last-good-too-large',
        `the policy has more than ${MAX_BODY_BYTES} bytes: so much is not kept on disk`,
      )
    }
    if (slice.length < 2 * SLICE_RESOURCES && sliceBytes < SLICE_BYTES) continue
    endSlice()
    await turn()
  }
  endSlice()
  return slices
}

/** Throws `last-good-malformed`. */
export function decodeResources(body: Buffer): readonly Resource__Output[] {
  const { Resource } = protocols().policy
  const resources: Resource__Output[] = []
  try {
    for (let at = 0; at < body.length; ) {
      const end = at + LENGTH_BYTES + body.readUInt32BE(at)
      if (end > body.length) throw new RangeError('a resource is longer than the rest')
      resources.push(Resource.deserialize(body.subarray(at + LENGTH_BYTES, end)))
      at = end
    }
  } catch (cause) {
    throw new OutriderError('last-good-malformed', 'its resources cannot be read', { cause })
  }
  return resources
}
