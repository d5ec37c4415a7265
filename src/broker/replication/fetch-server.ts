import { isPortalError, PortalError } from '../../core/errors.js'
import type {
  BatchesRequest,
  BatchesResponse,
  FetchPosition,
  FetchRequest,
  FetchResponse,
  FetchResult,
  PartitionName,
  SnapshotRequest,
  SnapshotSlice,
} from '../../protocol/peer-service.js'
import type { CallOptions } from '../../protocol/service.js'
import type { Runtime } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Storage, StoredSnapshot } from '../../storage/storage.js'
import type { Leading } from './leading.js'

/** The most that one partition gets of an answer, in bytes, so that others have their turn. */
const PARTITION_BYTES = 256 << 10
/** How long the word that more is committed waits for entries to go along (ms): alone it would be another request for each commit. */
const NEWS_DELAY = 50
/** How long a snapshot that is read in slices is kept after the last (ms). */
const SNAPSHOT_KEPT = 10_000

/** A partition that this broker leads, for its followers. */
export interface ServedPartition {
  readonly log: string
  readonly epoch: number
  readonly leading: Leading
}

export interface FetchServerHost {
  readonly runtime: Runtime
  readonly storage: Storage
  /** Undefined: it is not led here. */
  find(topicId: string, partition: number): ServedPartition | undefined
}

/** Serves followers: entries as they come, and snapshots to those that are far behind. */
export class FetchServer {
  readonly #host: FetchServerHost
  readonly #snapshots = new Map<string, { readonly snapshot: StoredSnapshot; until: number }>()
  /** Another partition is first each time. */
  #turn = 0

  constructor(host: FetchServerHost) {
    this.#host = host
  }

  async fetch(request: FetchRequest, call: CallOptions = {}): Promise<FetchResponse> {
    const { clock, timers } = this.#host.runtime
    const began = clock.monotonic()
    for (;;) {
      // Armed first, then looked at: what comes in between is not missed.
      const { woken, forget } = this.#arm(request.partitions)
      const results = await this.#collect(request)
      const patience = results.length > 0 ? Math.min(NEWS_DELAY, request.wait) : request.wait
      const left = began + patience - clock.monotonic()
      if (left <= 0 || results.some(cannotWait)) {
        forget()
        return { results }
      }
      const ends = { timeout: left, signal: call.signal }
      await sleepUntil<true>(timers, 'fetch', ends, (resolve) => {
        void woken.then(() => resolve(true))
        return forget
      })
    }
  }

  async readSnapshot(request: SnapshotRequest): Promise<SnapshotSlice> {
    const { log } = this.#led(request)
    const { header, pages } = await this.#snapshot(log, request.index)
    const found: Uint8Array[] = []
    let bytes = 0
    for (const page of pages.slice(request.fromPage)) {
      if (found.length > 0 && bytes + page.length > request.maxBytes) break
      found.push(page)
      bytes += page.length
    }
    return {
      index: header.index,
      epoch: header.epoch,
      header: header.payload,
      pageIds: header.pages,
      pages: found,
    }
  }

  async readBatches(request: BatchesRequest): Promise<BatchesResponse> {
    const { log } = this.#led(request)
    const { first, end, maxBytes } = request
    const entries = await this.#host.storage.read(log, { from: first, to: end, maxBytes, kinds: 'messages' })
    return { entries }
  }

  async #collect(request: FetchRequest): Promise<FetchResult[]> {
    const results: FetchResult[] = []
    const { partitions } = request
    let left = request.maxBytes
    const first = this.#turn++ % Math.max(1, partitions.length)
    for (let i = 0; i < partitions.length && left > 0; i++) {
      const position = partitions[(first + i) % partitions.length]!
      const result = await this.#answer(request, position, Math.min(left, PARTITION_BYTES))
      if (result === undefined) continue
      results.push(result)
      if (result.type === 'entries') for (const { payload } of result.entries) left -= payload.length
    }
    return results
  }

  async #answer(
    request: FetchRequest,
    position: FetchPosition,
    maxBytes: number,
  ): Promise<FetchResult | undefined> {
    const { topicId, partition, epoch } = position
    const name = { topicId, partition }
    try {
      const { leading } = this.#led({ ...name, epoch })
      const served = await leading.serve(request.from, position, request.now, maxBytes)
      return served && { ...name, ...served }
    } catch (error) {
      if (!isPortalError(error)) throw error
      return { ...name, type: 'error', error }
    }
  }

  #led({ topicId, partition, epoch }: PartitionName & { readonly epoch: number }): ServedPartition {
    const led = this.#host.find(topicId, partition)
    if (led?.epoch === epoch) return led
    const what = led ? `in epoch ${led.epoch}, not ${epoch}` : 'no more, or not yet'
    throw new PortalError('NOT_LEADER', `Partition ${topicId}/${partition} is led here ${what}.`)
  }

  #arm(partitions: readonly FetchPosition[]): { readonly woken: Promise<void>; readonly forget: () => void } {
    const forgets: (() => void)[] = []
    const woken = new Promise<void>((resolve) => {
      for (const { topicId, partition } of partitions) {
        const led = this.#host.find(topicId, partition)
        if (led) forgets.push(led.leading.onceAppended(resolve))
      }
    })
    return {
      woken,
      forget: () => {
        for (const forget of forgets) forget()
      },
    }
  }

  async #snapshot(log: string, index: number | undefined): Promise<StoredSnapshot> {
    const now = this.#host.runtime.clock.monotonic()
    for (const [key, { until }] of this.#snapshots) if (until <= now) this.#snapshots.delete(key)
    const kept = index === undefined ? undefined : this.#snapshots.get(`${log} ${index}`)
    if (kept) {
      kept.until = now + SNAPSHOT_KEPT
      return kept.snapshot
    }
    const snapshot = await this.#host.storage.readSnapshot(log)
    if (snapshot === undefined || (index !== undefined && snapshot.header.index !== index)) {
      throw new PortalError(
        'OFFSET_OUT_OF_RANGE',
        `The snapshot of ${log} that was asked for is not there any more: begin again.`,
      )
    }
    this.#snapshots.set(`${log} ${snapshot.header.index}`, { snapshot, until: now + SNAPSHOT_KEPT })
    return snapshot
  }
}

/** Anything but the mere word that more is committed. */
function cannotWait(result: FetchResult): boolean {
  return result.type !== 'entries' || result.entries.length > 0
}
