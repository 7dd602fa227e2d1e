/** Code lengths in bits of the octets 0 to 255 and of EOS (RFC 7541 appendix B); the code is canonical, so they say it all. */
const lengths: Uint8Array = new Uint8Array([
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
])
const EOS = 256
const LONGEST = 30

/** Codes of at most this many bits, which most of ASCII has, are found in one step. */
const WINDOW = 12
const WINDOW_MASK: number = (1 << WINDOW) - 1

const codes: Uint32Array = new Uint32Array(257)
/**
 * By the next WINDOW bits: the octet that they begin with, the one after it, the length of the first code, that of both, and
 * how many there are but one; in 8, 8, 4, 4 and 1 bits from below. 0 when already the first code is longer.
 */
const pairs: Uint32Array = new Uint32Array(1 << WINDOW)
/** By length: the first code of that length (aligned to the left of 32 bits), and the place of its symbol in `ordered`. */
const firstCode: Uint32Array = new Uint32Array(LONGEST + 2)
const firstPlace: Uint16Array = new Uint16Array(LONGEST + 2)
/** Symbols by length, then by value. */
const ordered: Uint16Array = new Uint16Array(257)

let code = 0
let place = 0
for (let length = 1; length <= LONGEST; length += 1) {
  code *= 2
  firstCode[length] = code * 2 ** (32 - length)
  firstPlace[length] = place
  for (let symbol = 0; symbol <= EOS; symbol += 1) {
    if (lengths[symbol] !== length) continue
    codes[symbol] = code
    ordered[place] = symbol
    if (length <= WINDOW) {
      const spare = WINDOW - length
      pairs.fill((length << 20) | (length << 16) | symbol, code << spare, (code + 1) << spare)
    }
    code += 1
    place += 1
  }
}
for (let window = 0; window <= WINDOW_MASK; window += 1) {
  const first = pairs[window]!
  const length = (first >>> 16) & 0xf
  const second = pairs[(window << length) & WINDOW_MASK]!
  const both = length + ((second >>> 16) & 0xf)
  if (first === 0 || second === 0 || both > WINDOW) continue
  pairs[window] = (1 << 24) | (both << 20) | (length << 16) | ((second & 0xff) << 8) | (first & 0xff)
}

/** Room to decode `length` octets of Huffman code: no code is shorter than five bits, and one octet is written ahead. */
export function huffmanDecodedBound(length: number): number {
  return Math.ceil((length * 8) / 5) + 1
}

/**
 * Decodes `from[at, end)` to the front of `to`, which has room for `huffmanDecodedBound`. Gives the number of octets, or -1
 * when there is EOS in it or the padding is not fewer than eight ones (RFC 7541 section 5.2).
 */
export function huffmanDecode(from: Uint8Array, at: number, end: number, to: Uint8Array): number {
  let written = 0
  /** The low `count` bits are still to be decoded; above them is rubbish. */
  let bits = 0
  let count = 0
  let next = at
  for (;;) {
    if (count < WINDOW) {
      if (next + 1 < end) {
        bits = (bits << 16) | (from[next]! << 8) | from[next + 1]!
        next += 2
        count += 16
      } else if (next < end) {
        bits = (bits << 8) | from[next]!
        next += 1
        count += 8
      }
    }
    // Past the end the window is filled with ones, which as padding must be.
    const window =
      count >= WINDOW ? bits >>> (count - WINDOW) : (bits << (WINDOW - count)) | ((1 << (WINDOW - count)) - 1)
    const found = pairs[window & WINDOW_MASK]!
    if (found !== 0) {
      const both = (found >>> 20) & 0xf
      if (both <= count) {
        to[written] = found
        to[written + 1] = found >>> 8
        written += 1 + (found >>> 24)
        count -= both
        continue
      }
      const length = (found >>> 16) & 0xf
      if (length <= count) {
        to[written] = found
        written += 1
        count -= length
        continue
      }
    }
    if (next === end && count < 8 && (bits & ((1 << count) - 1)) === (1 << count) - 1) return written
    if (found !== 0) return -1

    const first = next * 8 - count
    const long = longSymbol(from, first, end)
    const rest = end * 8 - first - (long >>> 9)
    if (rest < 0 || (long & 0x1ff) === EOS) return -1
    to[written] = long
    written += 1
    next = end - (rest >>> 3)
    count = rest & 7
    bits = count === 0 ? 0 : from[next - 1]!
  }
}

/** The symbol whose code, of more than WINDOW bits, begins at bit `first`: length << 9 | symbol. */
function longSymbol(from: Uint8Array, first: number, end: number): number {
  const octet = first >>> 3
  const shift = first & 7
  let high = 0
  for (let index = octet; index < octet + 4; index += 1) high = (high << 8) | (index < end ? from[index]! : 0xff)
  const low = octet + 4 < end ? from[octet + 4]! : 0xff
  const window = ((high << shift) | (low >>> (8 - shift))) >>> 0
  let length = WINDOW + 1
  while (length < LONGEST && window >= firstCode[length + 1]!) length += 1
  return (length << 9) | ordered[firstPlace[length]! + ((window - firstCode[length]!) >>> (32 - length))]!
}

/** How many octets the Huffman code of `text` (latin1) takes. */
export function huffmanLength(text: string): number {
  let bits = 0
  for (let index = 0; index < text.length; index += 1) bits += lengths[text.charCodeAt(index) & 0xff]!
  return (bits + 7) >>> 3
}

/** Writes the Huffman code of `text` (latin1) at `at`, padded with ones; gives its end. */
export function huffmanEncode(text: string, to: Uint8Array, at: number): number {
  let end = at
  let bits = 0
  let count = 0
  for (let index = 0; index < text.length; index += 1) {
    const octet = text.charCodeAt(index) & 0xff
    const code = codes[octet]!
    let length = lengths[octet]!
    if (length > 24) {
      // Seven bits may be waiting: more than 24 to them do not fit into 32.
      bits = (bits << (length - 8)) | (code >>> 8)
      count += length - 8
      while (count >= 8) {
        count -= 8
        to[end] = bits >>> count
        end += 1
      }
      length = 8
      bits = (bits << 8) | (code & 0xff)
    } else {
      bits = (bits << length) | code
    }
    count += length
    while (count >= 8) {
      count -= 8
      to[end] = bits >>> count
      end += 1
    }
  }
  if (count > 0) {
    to[end] = (bits << (8 - count)) | (0xff >>> count)
    end += 1
  }
  return end
}
