import { ENTRY_OVERHEAD, FIRST_PLACES, grown, INITIAL_TABLE_SIZE } from './dynamic-table.ts'
import { huffmanEncode, huffmanLength } from './huffman.ts'
import { STATIC_ENTRIES, staticNames, staticValues } from './static-table.ts'

/**
 * How a field is written: `index` puts it into the table, `literal` does not because its next value will be another one,
 * `never` forbids it to every hop because who can watch sizes could guess it (RFC 7541 section 7.1.3).
 */
type Policy = 'index' | 'literal' | 'never'

const neverIndexed: readonly string[] = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'x-auth-token',
  'x-csrf-token',
  'x-xsrf-token',
]

const seldomRepeated: readonly string[] = [
  ':path',
  'age',
  'content-length',
  'content-range',
  'date',
  'etag',
  'expires',
  'grpc-timeout',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'last-modified',
  'location',
  'range',
  'ratelimit',
  'retry-after',
  'sec-websocket-accept',
  'sec-websocket-key',
  'traceparent',
  'tracestate',
  'x-request-id',
]

interface KnownName {
  readonly name: string
  readonly policy: Policy
  /** The first entry of the static table with this name, 0 when there is none. */
  readonly index: number
  /** The values of that entry and of those that follow it with the same name; the empty ones are none. */
  readonly values: readonly string[]
}

const knownNames: ReadonlyMap<string, KnownName> = new Map(
  [...staticNames.slice(1), ...neverIndexed, ...seldomRepeated].map((name) => {
    const index = Math.max(0, staticNames.indexOf(name))
    const values = index === 0 ? [] : staticValues.filter((value, at) => staticNames[at] === name && value !== '')
    const policy = neverIndexed.includes(name) ? 'never' : seldomRepeated.includes(name) ? 'literal' : 'index'
    return [name, { name, policy, index, values }]
  }),
)

/** Every name that is not known: forgotten when its last entry goes. */
const unknownName: KnownName = { name: '', policy: 'index', index: 0, values: [] }

/** What an encoder remembers of a name: of the known ones that it met, and of those that its table holds. */
interface NameState {
  readonly name: string
  readonly known: KnownName
  /** The value that was written last as an index, and where it is: an insertion number, or less than 0 an index of the static table. */
  value: string | undefined
  number: number
  /** The number of the newest entry with this name, -1 before there was one. */
  newest: number
  /** Insertions in a row of which none was used. */
  unused: number
  /** The name that came after it the last time: messages have the same names in the same order. */
  follower: NameState | undefined
  /** Forgotten: no longer in the map, though it may still be somebody's follower. */
  gone: boolean
}

function newState(name: string, known: KnownName): NameState {
  return { name, known, value: undefined, number: 0, newest: -1, unused: 0, follower: undefined, gone: false }
}

/** After this many entries that were never used a name gets no further ones: its values are not going to repeat. */
const MOST_UNUSED = 8

/** How many of the newest entries of a name are compared with a value. */
const MOST_COMPARED = 8

/** Up to this many characters a loop writes them sooner than a call of the runtime. */
const SHORT_TEXT = 12

/** Room for what a field takes beside its characters: three integers. */
const FIELD_OVERHEAD = 16
/** Room for two size updates. */
const BLOCK_OVERHEAD = 12

/** Encodes the header blocks of one direction of one connection (RFC 7541 section 3). */
export class HpackEncoder {
  readonly #most: number
  readonly #names = new Map<string, NameState>()
  /** Stands before the first field of every block. */
  readonly #start: NameState = newState('', unknownName)
  #last: NameState = this.#start
  /** The entries of the dynamic table, by number: `#oldest` up to `#next`. */
  #states: (NameState | undefined)[] = Array.from({ length: FIRST_PLACES }, () => undefined)
  #values: string[] = Array.from({ length: FIRST_PLACES }, () => '')
  /** The number of the entry before with the same name. */
  #previous: number[] = Array.from({ length: FIRST_PLACES }, () => -1)
  #mask = FIRST_PLACES - 1
  #oldest = 0
  #next = 0
  #used = 0
  #size: number
  /** The size that the next block announces, and the smallest that there was in between (RFC 7541 section 4.2). */
  #target: number
  #smallest: number

  /** `maxTableSize`, in octets, is the most that we use of what the peer allows. */
  constructor(maxTableSize: number = INITIAL_TABLE_SIZE) {
    this.#most = maxTableSize
    this.#size = INITIAL_TABLE_SIZE
    this.#target = Math.min(maxTableSize, INITIAL_TABLE_SIZE)
    this.#smallest = this.#target
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, in octets; the next block announces the new size. */
  setPeerTableSize(size: number): void {
    this.#target = Math.min(size, this.#most)
    this.#smallest = Math.min(this.#smallest, this.#target)
  }

  /** Octets that `encode` writes for these fields at most. */
  static bound(headers: readonly string[]): number {
    let octets = BLOCK_OVERHEAD + (headers.length >> 1) * FIELD_OVERHEAD
    for (let index = 0; index < headers.length; index += 1) octets += headers[index]!.length
    return octets
  }

  /** Writes a block of these fields (name, value, ...; latin1, names in lower case) at `at`; gives its end. */
  encode(headers: readonly string[], out: Buffer, at: number): number {
    let end = this.beginBlock(out, at)
    for (let index = 0; index < headers.length; index += 2) {
      end = this.field(headers[index]!, headers[index + 1]!, out, end)
    }
    return end
  }

  /** Writes what a block begins with: nothing, or one or two size updates. Gives its end. */
  beginBlock(out: Buffer, at: number): number {
    this.#last = this.#start
    if (this.#target === this.#size && this.#smallest === this.#size) return at
    let end = at
    if (this.#smallest < Math.min(this.#size, this.#target)) end = writeInteger(out, end, 0x20, 0x1f, this.#smallest)
    this.#evictTo(this.#smallest)
    this.#size = this.#target
    this.#smallest = this.#target
    return writeInteger(out, end, 0x20, 0x1f, this.#target)
  }

  /** Writes one field of the block that `beginBlock` began; gives its end. */
  field(name: string, value: string, out: Buffer, at: number): number {
    const last = this.#last
    let state = last.follower
    if (state === undefined || state.name !== name || state.gone) {
      // The map has to hash a name that has just been read from a socket: the guess saves that.
      state = this.#names.get(name)
      if (state === undefined) return this.#findOrWrite(undefined, name, value, out, at)
      if (!last.gone) last.follower = state
    }
    this.#last = state
    if (state.value !== value) return this.#findOrWrite(state, name, value, out, at)
    if (state.number >= 0 && state.number < this.#oldest) return this.#findOrWrite(state, name, value, out, at)
    return this.#writeIndex(state, out, at)
  }

  #writeIndex(state: NameState, out: Buffer, at: number): number {
    state.unused = 0
    const index = state.number < 0 ? -state.number : STATIC_ENTRIES + this.#next - state.number
    if (index >= 0x7f) return writeInteger(out, at, 0x80, 0x7f, index)
    out[at] = 0x80 | index
    return at + 1
  }

  /** A field whose value is not the last one of its name, or no longer in the table. */
  #findOrWrite(remembered: NameState | undefined, name: string, value: string, out: Buffer, at: number): number {
    let state = remembered
    if (state === undefined) {
      const known = knownNames.get(name)
      if (known !== undefined) state = this.#remember(known.name, known)
    }
    if (state !== undefined && this.#find(state, value)) return this.#writeIndex(state, out, at)

    const { policy, index } = state?.known ?? unknownName
    let nameIndex = index
    if (index === 0 && state !== undefined && state.newest >= this.#oldest) {
      nameIndex = STATIC_ENTRIES + this.#next - state.newest
    }
    const size = name.length + value.length + ENTRY_OVERHEAD
    // A literal whose name is in no table puts it there once, so that it need not be spelt out every time.
    const wanted = policy === 'literal' ? nameIndex === 0 : policy === 'index' && (state?.unused ?? 0) < MOST_UNUSED
    if (!wanted || size > this.#size >> 2) {
      let end = writeInteger(out, at, policy === 'never' ? 0x10 : 0, 0x0f, nameIndex)
      if (nameIndex === 0) end = writePlain(name, out, end)
      return writePlain(value, out, end)
    }
    let end = writeInteger(out, at, 0x40, 0x3f, nameIndex)
    if (nameIndex === 0) end = writeShorter(name, out, end)
    end = writeShorter(value, out, end)
    this.#insert(state ?? this.#remember(detached(name), unknownName), detached(value), size)
    return end
  }

  #remember(name: string, known: KnownName): NameState {
    const state = newState(name, known)
    this.#names.set(name, state)
    return state
  }

  /** Looks `value` up in both tables and, when it is there, makes it the last one of its name. */
  #find(state: NameState, value: string): boolean {
    const { index, values } = state.known
    for (let at = 0; at < values.length; at += 1) {
      if (values[at] === value) {
        state.value = value
        state.number = -(index + at)
        return true
      }
    }
    let number = state.newest
    for (let compared = 0; compared < MOST_COMPARED && number >= this.#oldest; compared += 1) {
      const place = number & this.#mask
      if (this.#values[place] === value) {
        state.value = this.#values[place]
        state.number = number
        return true
      }
      number = this.#previous[place]!
    }
    return false
  }

  #insert(state: NameState, value: string, size: number): void {
    this.#evictTo(this.#size - size)
    // Its last entry may have made room just now, and the name have gone with it.
    if (state.gone) {
      state.gone = false
      this.#names.set(state.name, state)
    }
    if (this.#next - this.#oldest > this.#mask) this.#grow()
    const place = this.#next & this.#mask
    this.#states[place] = state
    this.#values[place] = value
    this.#previous[place] = state.newest
    state.value = value
    state.number = this.#next
    state.newest = this.#next
    state.unused += 1
    this.#next += 1
    this.#used += size
  }

  #grow(): void {
    this.#states = grown(this.#states, undefined, this.#oldest, this.#next)
    this.#values = grown(this.#values, '', this.#oldest, this.#next)
    this.#previous = grown(this.#previous, -1, this.#oldest, this.#next)
    this.#mask = this.#states.length - 1
  }

  #evictTo(octets: number): void {
    while (this.#used > octets) {
      const place = this.#oldest & this.#mask
      const state = this.#states[place]!
      this.#used -= state.name.length + this.#values[place]!.length + ENTRY_OVERHEAD
      if (state.newest === this.#oldest && state.known === unknownName) {
        this.#names.delete(state.name)
        state.gone = true
        state.follower = undefined
      }
      this.#states[place] = undefined
      this.#values[place] = ''
      this.#oldest += 1
    }
  }
}

/** An integer with a prefix of the bits of `mask` behind the bits of `first` (RFC 7541 section 5.1). */
function writeInteger(out: Buffer, at: number, first: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = first | value
    return at + 1
  }
  out[at] = first | mask
  let end = at + 1
  let rest = value - mask
  while (rest >= 0x80) {
    out[end] = (rest & 0x7f) | 0x80
    rest >>>= 7
    end += 1
  }
  out[end] = rest
  return end + 1
}

function writePlain(text: string, out: Buffer, at: number): number {
  const length = text.length
  const begin = writeInteger(out, at, 0, 0x7f, length)
  if (length > SHORT_TEXT) out.write(text, begin, length, 'latin1')
  else for (let index = 0; index < length; index += 1) out[begin + index] = text.charCodeAt(index)
  return begin + length
}

function writeShorter(text: string, out: Buffer, at: number): number {
  const length = huffmanLength(text)
  return length < text.length
    ? huffmanEncode(text, out, writeInteger(out, at, 0x80, 0x7f, length))
    : writePlain(text, out, at)
}

/** `text` by itself: a string that was cut out of a message keeps the whole message alive. */
function detached(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
