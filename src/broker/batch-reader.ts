import type { BatchDirectory, BatchPlace } from '../core/batch-directory.js'
import type { StoredEntry } from '../core/entry.js'
import { PortalError } from '../core/errors.js'
import { pushRange } from '../core/ranges.js'
import type { DeliveredBatch } from '../protocol/service.js'
import type { BatchShelf } from './batch-cache.js'
import type { PartitionHost } from './host.js'
import { ledRead } from './led-read.js'

/** How much is read from the storage at a time, in bytes: what follows will be asked for next. */
const READ_BYTES = 1 << 20

/** Finds a partition's record batches: in the cache, or in the storage, read ahead. */
export class BatchReader {
  readonly #host: PartitionHost
  readonly #log: string
  readonly #directory: BatchDirectory
  readonly #shelf: BatchShelf
  #reading: Promise<void> | undefined

  constructor(host: PartitionHost, log: string, directory: BatchDirectory) {
    this.#host = host
    this.#log = log
    this.#directory = directory
    this.#shelf = host.cache.shelf()
  }

  /** A batch that was just appended. */
  appended(entry: StoredEntry): void {
    this.#shelf.put(entry)
  }

  close(): void {
    this.#shelf.clear()
  }

  /** The batches that hold these offsets, if all are in memory. */
  inMemory(ranges: readonly number[], deliveryCounts: readonly number[]): DeliveredBatch[] | undefined {
    const entries = this.#placesOf(ranges).map((place) => this.#shelf.get(place.index))
    if (!entries.every((entry) => entry !== undefined)) return undefined
    return toDelivered(entries as StoredEntry[], ranges, deliveryCounts)
  }

  /** The batches that hold these offsets, which the storage was given before. Rejects with CORRUPT if one is damaged, NOT_LEADER if another replica has it and shall lead. */
  async load(ranges: readonly number[], deliveryCounts: readonly number[]): Promise<DeliveredBatch[]> {
    return toDelivered(await this.entries(this.#placesOf(ranges)), ranges, deliveryCounts)
  }

  /** The entries at these places, in order; one that a trim takes meanwhile is left out. */
  async entries(places: readonly BatchPlace[]): Promise<StoredEntry[]> {
    const found: StoredEntry[] = []
    for (const place of places) {
      const entry = this.#shelf.get(place.index) ?? (await this.#read(place))
      if (entry) found.push(entry)
    }
    return found
  }

  async #read(place: BatchPlace): Promise<StoredEntry | undefined> {
    while (this.#reading) {
      await this.#reading
      const found = this.#shelf.get(place.index)
      if (found) return found
    }
    let wanted: StoredEntry | undefined
    const read = async () => {
      const range = { from: place.index, maxBytes: READ_BYTES, kinds: 'messages' as const }
      for (const entry of await this.#host.storage.read(this.#log, range)) {
        wanted ??= entry
        this.#shelf.put(entry)
      }
    }
    const reading = read()
    this.#reading = reading.catch(() => {})
    try {
      await ledRead(this.#host, this.#log, reading)
    } finally {
      this.#reading = undefined
    }
    if (wanted?.index !== place.index) {
      if (this.#directory.find(place.baseOffset)?.index !== place.index) return undefined
      const what = `Entry ${place.index} of ${this.#log} is missing from the storage.`
      throw this.#host.damaged(this.#log, new PortalError('CORRUPT', what))
    }
    return wanted
  }

  #placesOf(ranges: readonly number[]): BatchPlace[] {
    const places: BatchPlace[] = []
    for (let at = 0; at < ranges.length; at += 2) {
      const end = ranges[at + 1]!
      this.#directory.walk(ranges[at]!, (place) => {
        if (place.baseOffset >= end) return false
        if (places[places.length - 1] !== place) places.push(place)
        return place.baseOffset + place.count < end
      })
    }
    return places
  }
}

/** Each batch with the ranges, and the delivery counts, that concern it. */
function toDelivered(
  entries: readonly StoredEntry[],
  ranges: readonly number[],
  deliveryCounts: readonly number[],
): DeliveredBatch[] {
  let range = 0
  let count = 0
  return entries.map((entry) => {
    const end = entry.baseOffset + entry.count
    const own: number[] = []
    while (range < ranges.length && ranges[range]! < end) {
      pushRange(own, Math.max(ranges[range]!, entry.baseOffset), Math.min(ranges[range + 1]!, end))
      if (ranges[range + 1]! > end) break
      range += 2
    }
    const counts: number[] = []
    while (count < deliveryCounts.length && deliveryCounts[count]! < end) {
      counts.push(deliveryCounts[count]!, deliveryCounts[count + 1]!)
      count += 2
    }
    return { baseOffset: entry.baseOffset, records: entry.payload, ranges: own, deliveryCounts: counts }
  })
}
