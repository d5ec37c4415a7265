import { ENTRY_KINDS, type EntryKind } from '../../core/entry.js'
import type { Write } from '../storage.js'

/**
 * A commit as one ArrayBuffer that is handed over, not cloned: numbers first, as doubles, then all bytes in the order in
 * which the numbers speak of them. `numbers[0]` is where the bytes begin, in numbers; `numbers[1]` is 1 if durable.
 *
 * Logs are named by handles that the main thread gives out; a NAME comes before the first use of one.
 * A handle costs a map entry for as long as the storage is open.
 */
export const NAME = 0 // handle, length
export const APPEND = 1 // handle, n, n × ENTRY_NUMBERS
export const TRUNCATE = 2 // handle, from
export const DROP_PREFIX = 3 // handle, below
export const DROP_STATE = 4 // handle, below
export const DELETE_BATCHES = 5 // handle, from, to
export const PAGE = 6 // handle, id, length
export const SNAPSHOT = 7 // handle, index, epoch, length, n, n × id
export const DROP_PAGES = 8 // handle, n, n × id
export const DELETE_LOG = 9 // handle
export const SET_META = 10 // length of key, length of value
export const REMOVE_META = 11 // length of key

export const COMMIT_NUMBERS = 2

/** index, epoch, kind, version, base offset, count, append time, safe time, payload length */
export const ENTRY_NUMBERS = 9

const KIND_CODES = new Map<EntryKind, number>(ENTRY_KINDS.map((kind, code) => [kind, code]))
const utf8 = new TextEncoder()

/** Packs commits for one writer; knows which names it has told. */
export class CommitPacker {
  readonly #handles = new Map<string, number>()

  pack(writes: readonly Write[], durable: boolean): ArrayBuffer {
    const numbers: number[] = [0, durable ? 1 : 0]
    const chunks: Uint8Array[] = []
    // Names first: a commit that is refused half-way has still told them all.
    for (const write of writes) if (write.type !== 'meta') this.#tellName(write.log, numbers, chunks)
    for (const write of writes) this.#packWrite(write, numbers, chunks)
    return assemble(numbers, chunks)
  }

  #packWrite(write: Write, numbers: number[], chunks: Uint8Array[]): void {
    if (write.type === 'meta') {
      packMeta(write.key, write.value, numbers, chunks)
      return
    }
    const handle = this.#handles.get(write.log)!
    switch (write.type) {
      case 'append':
        numbers.push(APPEND, handle, write.entries.length)
        for (const entry of write.entries) {
          numbers.push(
            entry.index,
            entry.epoch,
            KIND_CODES.get(entry.kind)!,
            entry.version,
            entry.baseOffset,
            entry.count,
            entry.appendTime,
            entry.safeTime,
            entry.payload.length,
          )
          chunks.push(entry.payload)
        }
        break
      case 'truncate':
        numbers.push(TRUNCATE, handle, write.from)
        break
      case 'drop-prefix':
        numbers.push(DROP_PREFIX, handle, write.below)
        break
      case 'drop-state':
        numbers.push(DROP_STATE, handle, write.below)
        break
      case 'delete-batches':
        numbers.push(DELETE_BATCHES, handle, write.from, write.to)
        break
      case 'page':
        numbers.push(PAGE, handle, write.id, write.payload.length)
        chunks.push(write.payload)
        break
      case 'snapshot': {
        const { index, epoch, pages, payload } = write.header
        numbers.push(SNAPSHOT, handle, index, epoch, payload.length, pages.length, ...pages)
        chunks.push(payload)
        break
      }
      case 'drop-pages':
        numbers.push(DROP_PAGES, handle, write.ids.length, ...write.ids)
        break
      case 'delete-log':
        numbers.push(DELETE_LOG, handle)
    }
  }

  #tellName(log: string, numbers: number[], chunks: Uint8Array[]): void {
    if (this.#handles.has(log)) return
    const handle = this.#handles.size
    this.#handles.set(log, handle)
    const name = utf8.encode(log)
    numbers.push(NAME, handle, name.length)
    chunks.push(name)
  }
}

function packMeta(key: string, value: Uint8Array | undefined, numbers: number[], chunks: Uint8Array[]): void {
  const name = utf8.encode(key)
  chunks.push(name)
  if (value === undefined) numbers.push(REMOVE_META, name.length)
  else {
    numbers.push(SET_META, name.length, value.length)
    chunks.push(value)
  }
}

/** The one copy that a payload sees on its way to the worker. */
function assemble(numbers: number[], chunks: readonly Uint8Array[]): ArrayBuffer {
  numbers[0] = numbers.length
  let at = numbers.length * Float64Array.BYTES_PER_ELEMENT
  let size = at
  for (const chunk of chunks) size += chunk.length
  const buffer = new ArrayBuffer(size)
  new Float64Array(buffer, 0, numbers.length).set(numbers)
  const bytes = new Uint8Array(buffer)
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return buffer
}

/** How many numbers a packed commit begins with. */
export function numbersOf(commit: ArrayBuffer): number {
  return new Float64Array(commit, 0, 1)[0]!
}

export function isDurable(commit: ArrayBuffer): boolean {
  return new Float64Array(commit, 0, COMMIT_NUMBERS)[1] === 1
}

/** The page ids that a stored snapshot header holds. */
export function pageIds(stored: Uint8Array = new Uint8Array(0)): number[] {
  return [...new Float64Array(stored.slice().buffer)]
}
