import { ByteReader, ByteWriter } from './bytes.js'
import { PortalError } from './errors.js'

/** Where one stored record batch stands in its partition. */
export interface BatchPlace {
  readonly index: number
  readonly baseOffset: number
  readonly count: number
  /** Of its payload. */
  readonly bytes: number
  /** Milliseconds since the Unix epoch. */
  readonly appendTime: number
}

/** Batches a chunk. A chunk is a page of the snapshot and is rewritten whole. */
const CHUNK_BATCHES = 512

/**
 * Which record batches a partition stores: the way from an offset, or a time, to an index. Batches come at the end and go
 * anywhere. Full chunks are kept encoded (about 6 bytes a batch), so that 10 million messages in batches of 100 cost
 * 0.6 MB, and are decoded one at a time.
 */
export class BatchDirectory {
  #chunks: Chunk[] = []
  #nextChunk = 0
  #bytes = 0
  #batches = 0
  #messages = 0
  #decoded: { chunk: Chunk; places: BatchPlace[] } | undefined
  /** The ids of chunks that changed, or went, since the last snapshot. */
  readonly #dirty = new Set<number>()

  /** Of all payloads. */
  get bytes(): number {
    return this.#bytes
  }

  get batches(): number {
    return this.#batches
  }

  get messages(): number {
    return this.#messages
  }

  /** The offset of the oldest stored message; undefined when nothing is stored. */
  get firstOffset(): number | undefined {
    return this.#chunks[0]?.firstOffset
  }

  append(place: BatchPlace): void {
    let chunk = this.#chunks[this.#chunks.length - 1]
    if (!chunk || chunk.batches >= CHUNK_BATCHES) chunk = this.#startChunk(place)
    const places = this.#places(chunk)
    places.push(place)
    chunk.encoded = undefined
    widen(chunk, place)
    this.#count(place, 1)
    this.#dirty.add(chunk.id)
  }

  /** The batch that holds `offset`, or the first one above it; undefined if there is none. */
  find(offset: number): BatchPlace | undefined {
    const at = firstWhere(this.#chunks, (chunk) => chunk.endOffset > offset)
    const chunk = this.#chunks[at]
    if (!chunk) return undefined
    const places = this.#places(chunk)
    return places[firstWhere(places, (place) => place.baseOffset + place.count > offset)]
  }

  /** The first batch appended at or after `time`. */
  findTime(time: number): BatchPlace | undefined {
    const at = firstWhere(this.#chunks, (chunk) => chunk.lastTime >= time)
    const chunk = this.#chunks[at]
    if (!chunk) return undefined
    const places = this.#places(chunk)
    return places[firstWhere(places, (place) => place.appendTime >= time)]
  }

  /** The batches from the one that holds `offset` (or the first above) on, while `visit` returns true. */
  walk(offset: number, visit: (place: BatchPlace) => boolean): void {
    for (
      let at = firstWhere(this.#chunks, (chunk) => chunk.endOffset > offset);
      at < this.#chunks.length;
      at++
    ) {
      const places = this.#places(this.#chunks[at]!)
      const from =
        places[0]!.baseOffset > offset
          ? 0
          : firstWhere(places, (place) => place.baseOffset + place.count > offset)
      for (let i = from; i < places.length; i++) if (!visit(places[i]!)) return
    }
  }

  /**
   * The batches that `choose` says, oldest first. It is asked about a whole chunk first: 'all', 'none', or 'some', and then
   * about each of its batches; 'stop' ends the search.
   */
  select(
    chooseChunk: (chunk: ChunkSummary) => 'all' | 'none' | 'some' | 'stop',
    choose: (place: BatchPlace) => boolean,
    limit = Number.POSITIVE_INFINITY,
  ): BatchPlace[] {
    const chosen: BatchPlace[] = []
    for (const chunk of this.#chunks) {
      const answer = chooseChunk(chunk)
      if (answer === 'stop' || chosen.length >= limit) break
      if (answer === 'none') continue
      for (const place of this.#places(chunk)) {
        if (chosen.length >= limit) break
        if (answer === 'all' || choose(place)) chosen.push(place)
      }
    }
    return chosen
  }

  /** Whether a batch is stored with `from` ≤ index < `to`. */
  hasIndexBetween(from: number, to: number): boolean {
    const at = firstWhere(this.#chunks, (chunk) => chunk.lastIndex >= from)
    const chunk = this.#chunks[at]
    if (!chunk || chunk.firstIndex >= to) return false
    const places = this.#places(chunk)
    const next = places[firstWhere(places, (place) => place.index >= from)]
    return next !== undefined && next.index < to
  }

  /** Forgets batches that are stored no more; `places` rise by index. */
  remove(places: readonly BatchPlace[]): void {
    let at = 0
    for (const chunk of this.#chunks) {
      if (at >= places.length) break
      if (places[at]!.baseOffset >= chunk.endOffset) continue
      const before = this.#places(chunk)
      const gone = new Set<number>()
      while (at < places.length && places[at]!.baseOffset < chunk.endOffset) gone.add(places[at++]!.index)
      const left = before.filter((place) => !gone.has(place.index))
      for (const place of before) if (gone.has(place.index)) this.#count(place, -1)
      replacePlaces(chunk, left)
      if (this.#decoded?.chunk === chunk) this.#decoded = { chunk, places: left }
      this.#dirty.add(chunk.id)
    }
    this.#chunks = this.#chunks.filter((chunk) => chunk.batches > 0)
  }

  /** The pages that changed since the last call, by chunk id; undefined for a chunk that is gone. */
  takeDirtyPages(): Map<number, Uint8Array | undefined> {
    const pages = new Map<number, Uint8Array | undefined>()
    const chunks = new Map(this.#chunks.map((chunk) => [chunk.id, chunk]))
    for (const id of this.#dirty) {
      const chunk = chunks.get(id)
      pages.set(id, chunk && this.#encoded(chunk))
    }
    this.#dirty.clear()
    return pages
  }

  /** Loads pages that `takeDirtyPages` once gave, oldest first. */
  loadPage(id: number, page: ByteReader): void {
    const places = decodePlaces(page)
    if (places.length === 0) return
    const chunk = newChunk(id, places[0]!)
    replacePlaces(chunk, places)
    for (const place of places) this.#count(place, 1)
    this.#chunks.push(chunk)
    this.#nextChunk = Math.max(this.#nextChunk, id + 1)
    chunk.encoded = encodePlaces(places)
    chunk.places = undefined
  }

  #startChunk(place: BatchPlace): Chunk {
    const last = this.#chunks[this.#chunks.length - 1]
    if (last) {
      this.#encoded(last)
      last.places = undefined
    }
    const chunk = newChunk(this.#nextChunk++, place)
    this.#chunks.push(chunk)
    return chunk
  }

  #places(chunk: Chunk): BatchPlace[] {
    if (chunk.places) return chunk.places
    if (this.#decoded?.chunk === chunk) return this.#decoded.places
    const places = decodePlaces(new ByteReader(chunk.encoded!))
    if (chunk === this.#chunks[this.#chunks.length - 1]) chunk.places = places
    else this.#decoded = { chunk, places }
    return places
  }

  #encoded(chunk: Chunk): Uint8Array {
    chunk.encoded ??= encodePlaces(this.#places(chunk))
    return chunk.encoded
  }

  #count(place: BatchPlace, sign: 1 | -1): void {
    this.#bytes += sign * place.bytes
    this.#batches += sign
    this.#messages += sign * place.count
  }
}

export interface ChunkSummary {
  readonly batches: number
  readonly firstIndex: number
  readonly lastIndex: number
  readonly firstOffset: number
  readonly endOffset: number
  readonly firstTime: number
  readonly lastTime: number
}

interface Chunk extends ChunkSummary {
  readonly id: number
  batches: number
  firstIndex: number
  lastIndex: number
  firstOffset: number
  endOffset: number
  firstTime: number
  lastTime: number
  /** Decoded, while it is the last chunk. */
  places: BatchPlace[] | undefined
  encoded: Uint8Array | undefined
}

function newChunk(id: number, first: BatchPlace): Chunk {
  return {
    id,
    batches: 0,
    firstIndex: first.index,
    lastIndex: first.index,
    firstOffset: first.baseOffset,
    endOffset: first.baseOffset,
    firstTime: first.appendTime,
    lastTime: first.appendTime,
    places: [],
    encoded: undefined,
  }
}

function widen(chunk: Chunk, place: BatchPlace): void {
  chunk.batches++
  chunk.lastIndex = place.index
  chunk.endOffset = place.baseOffset + place.count
  chunk.lastTime = place.appendTime
}

function replacePlaces(chunk: Chunk, places: BatchPlace[]): void {
  const first = places[0]
  const last = places[places.length - 1]
  chunk.batches = places.length
  chunk.encoded = encodePlaces(places)
  if (chunk.places) chunk.places = places
  if (!first || !last) return
  chunk.firstIndex = first.index
  chunk.lastIndex = last.index
  chunk.firstOffset = first.baseOffset
  chunk.endOffset = last.baseOffset + last.count
  chunk.firstTime = first.appendTime
  chunk.lastTime = last.appendTime
}

/** Each field as its distance from the batch before; all of them rise. */
function encodePlaces(places: readonly BatchPlace[]): Uint8Array {
  const writer = new ByteWriter(places.length * 8 + 16)
  writer.varint(places.length)
  let index = 0
  let offset = 0
  let time = 0
  for (const place of places) {
    writer.varint(place.index - index)
    writer.varint(place.baseOffset - offset)
    writer.varint(place.count)
    writer.varint(place.bytes)
    writer.varint(place.appendTime - time)
    index = place.index
    offset = place.baseOffset + place.count
    time = place.appendTime
  }
  return writer.finish()
}

function decodePlaces(reader: ByteReader): BatchPlace[] {
  const places: BatchPlace[] = []
  let index = 0
  let offset = 0
  let time = 0
  for (let left = reader.varint(); left > 0; left--) {
    index += reader.varint()
    const baseOffset = offset + reader.varint()
    const count = reader.varint()
    const bytes = reader.varint()
    time += reader.varint()
    offset = baseOffset + count
    places.push({ index, baseOffset, count, bytes, appendTime: time })
  }
  if (reader.remaining > 0) throw new PortalError('CORRUPT', 'A directory page has bytes left over.')
  return places
}

/** The first position whose element satisfies `test`, which is false up to some point and true from there on. */
function firstWhere<T>(list: readonly T[], test: (element: T) => boolean): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (test(list[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}
