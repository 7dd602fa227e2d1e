import { DynamicTable, ENTRY_OVERHEAD, INITIAL_TABLE_SIZE } from './dynamic-table.ts'
import { huffmanDecode, huffmanDecodedBound } from './huffman.ts'
import { STATIC_ENTRIES, staticNames, staticValues } from './static-table.ts'

/** Why a block cannot be decoded; each is a connection error COMPRESSION_ERROR (RFC 9113 section 4.3). */
export type HpackFault =
  /** The block ends inside a field. */
  | 'hpack-truncated'
  /** An index of 0 or beyond the tables (RFC 7541 sections 2.3.3 and 6.1). */
  | 'hpack-index-invalid'
  /** An integer above 2^28 or with more than five octets after its prefix (RFC 7541 section 5.1). */
  | 'hpack-integer-too-large'
  /** EOS within a string, or a padding that is not fewer than eight ones (RFC 7541 section 5.2). */
  | 'hpack-huffman-malformed'
  /** Above our limit, after a field, or the third of its block (RFC 7541 sections 4.2 and 6.3). */
  | 'hpack-size-update-invalid'
  /** We lowered the limit, and the block does not begin with an update that obeys (RFC 7541 section 4.2). */
  | 'hpack-size-update-missing'

const LARGEST_INTEGER = 2 ** 28
const MOST_CONTINUATION_OCTETS = 5

/** What becomes of a string: an entry of the table, only a field of the list, or nothing. */
const KEEP = 2
const SHOW = 1
const SKIP = 0

/** Where short Huffman strings are decoded to: only within one call. */
const scratch: Buffer = Buffer.allocUnsafeSlow(4096)

/** Decodes the header blocks of one direction of one connection (RFC 7541 section 3). */
export class HpackDecoder {
  /** Whether the last block had more than `decode` was allowed to append. */
  overflowed = false

  readonly #table: DynamicTable
  #limit: number
  /** The lowest limit that the peer has acknowledged and not yet followed. */
  #owed: number | undefined
  #fault: HpackFault = 'hpack-truncated'
  #start = 0
  #end = 0
  /** Where the last integer or string ended. */
  #at = 0
  /** The block as text, made for its first plain string: one call of the runtime instead of one for each string. */
  #text = ''

  /**
   * `maxTableSize`, in octets, is the SETTINGS_HEADER_TABLE_SIZE that we announce. Announcing less than 4096, construct with
   * 4096 and call `setMaxTableSize` when the peer has acknowledged: what it sent before was made for 4096.
   */
  constructor(maxTableSize: number) {
    this.#limit = maxTableSize
    this.#table = new DynamicTable(Math.min(maxTableSize, INITIAL_TABLE_SIZE))
  }

  /** The peer has acknowledged this SETTINGS_HEADER_TABLE_SIZE: its next block obeys, and says so if the table shrinks. */
  setMaxTableSize(size: number): void {
    this.#limit = size
    if (size < this.#table.size) this.#owed = Math.min(size, this.#owed ?? size)
  }

  /**
   * Appends name, value, name, value, ... (latin1) of the block in `block[start, end)` to `out`. The list takes at most
   * `maxFields` fields and `maxListBytes` octets, counted as in RFC 9113 section 6.5.2; the first field beyond sets
   * `overflowed`, and the rest is decoded for the sake of the table alone. A fault leaves the decoder unusable.
   */
  decode(
    block: Buffer,
    start: number,
    end: number,
    out: string[],
    maxListBytes: number,
    maxFields: number,
  ): HpackFault | undefined {
    const table = this.#table
    let listBytes = 0
    let fields = 0
    let updates = 0
    this.overflowed = false
    this.#start = start
    this.#end = end

    let at = start
    while (at < end) {
      const octet = block[at]!
      at += 1
      let name: string
      let value: string
      if (octet >= 0x80) {
        let index = octet & 0x7f
        if (index === 0x7f) {
          index = this.#integer(block, at, 0x7f)
          at = this.#at
        }
        if (index > STATIC_ENTRIES) {
          const place = index - STATIC_ENTRIES
          if (place > table.count) return 'hpack-index-invalid'
          name = table.name(place)
          value = table.value(place)
        } else {
          if (index < 0) return this.#fault
          if (index === 0) return 'hpack-index-invalid'
          name = staticNames[index]!
          value = staticValues[index]!
        }
      } else if (octet < 0x40 && octet >= 0x20) {
        const fault = fields > 0 ? 'hpack-size-update-invalid' : this.#updateSize(block, at, octet & 0x1f, ++updates)
        if (fault !== undefined) return fault
        at = this.#at
        continue
      } else {
        const kept = octet >= 0x40
        const use = kept ? KEEP : this.overflowed ? SKIP : SHOW
        const mask = kept ? 0x3f : 0x0f
        let index = octet & mask
        if (index === mask) {
          index = this.#integer(block, at, mask)
          if (index < 0) return this.#fault
          at = this.#at
        }
        if (index === 0) {
          const read = this.#string(block, at, use)
          if (read === undefined) return this.#fault
          name = read
          at = this.#at
        } else if (index <= STATIC_ENTRIES) {
          name = staticNames[index]!
        } else {
          if (index - STATIC_ENTRIES > table.count) return 'hpack-index-invalid'
          name = table.name(index - STATIC_ENTRIES)
        }
        const read = this.#string(block, at, use)
        if (read === undefined) return this.#fault
        value = read
        at = this.#at
        if (kept) table.insert(name, value)
      }

      if (this.#owed !== undefined) return 'hpack-size-update-missing'
      listBytes += name.length + value.length + ENTRY_OVERHEAD
      fields += 1
      if (listBytes <= maxListBytes && fields <= maxFields) out.push(name, value)
      else this.overflowed = true
    }
    this.#text = ''
    return undefined
  }

  #updateSize(block: Buffer, at: number, first: number, updates: number): HpackFault | undefined {
    this.#at = at
    const size = first === 0x1f ? this.#integer(block, at, 0x1f) : first
    if (size < 0) return this.#fault
    if (size > this.#limit || updates > 2) return 'hpack-size-update-invalid'
    if (this.#owed !== undefined) {
      if (size > this.#owed) return 'hpack-size-update-missing'
      this.#owed = undefined
    }
    this.#table.resize(size)
    return undefined
  }

  /** The rest of an integer whose prefix was all ones, that is `prefix`; -1 is a fault. */
  #integer(block: Buffer, at: number, prefix: number): number {
    let value = prefix
    for (let count = 0; count < MOST_CONTINUATION_OCTETS; count += 1) {
      if (at + count >= this.#end) {
        this.#fault = 'hpack-truncated'
        return -1
      }
      const octet = block[at + count]!
      value += (octet & 0x7f) * 2 ** (7 * count)
      if (octet < 0x80) {
        if (value > LARGEST_INTEGER) break
        this.#at = at + count + 1
        return value
      }
    }
    this.#fault = 'hpack-integer-too-large'
    return -1
  }

  /** The string that begins at `at` (RFC 7541 section 5.2); undefined is a fault. */
  #string(block: Buffer, at: number, use: typeof KEEP | typeof SHOW | typeof SKIP): string | undefined {
    if (at >= this.#end) {
      this.#fault = 'hpack-truncated'
      return undefined
    }
    const octet = block[at]!
    let length = octet & 0x7f
    let begin = at + 1
    if (length === 0x7f) {
      length = this.#integer(block, begin, 0x7f)
      if (length < 0) return undefined
      begin = this.#at
    }
    const end = begin + length
    if (end > this.#end) {
      this.#fault = 'hpack-truncated'
      return undefined
    }
    this.#at = end
    if (octet >= 0x80) {
      const bound = huffmanDecodedBound(length)
      const decoded = bound <= scratch.length ? scratch : Buffer.allocUnsafe(bound)
      const count = huffmanDecode(block, begin, end, decoded)
      if (count < 0) {
        this.#fault = 'hpack-huffman-malformed'
        return undefined
      }
      return use === SKIP ? '' : decoded.toString('latin1', 0, count)
    }
    if (use === SKIP || length === 0) return ''
    // A slice of the text would keep the whole block alive for as long as the table keeps the entry.
    if (use === KEEP) return block.toString('latin1', begin, end)
    if (this.#text === '') this.#text = block.toString('latin1', this.#start, this.#end)
    return this.#text.slice(begin - this.#start, end - this.#start)
  }
}
