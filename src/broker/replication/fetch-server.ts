import type { ReplicaName } from '../../coordination/documents.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import type {
  BatchesRequest,
  BatchesResponse,
  FetchPosition,
  FetchRequest,
  FetchResponse,
  FetchResult,
  FetchSession,
  PartitionName,
  SnapshotRequest,
  SnapshotSlice,
} from '../../protocol/peer-service.js'
import type { CallOptions } from '../../protocol/service.js'
import type { Runtime } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Storage, StoredSnapshot } from '../../storage/storage.js'
import { type DamageHost, ledRead } from '../led-read.js'
import { type FindServed, LeaderSession, type ServedPartition } from './leader-session.js'

/** The most that one partition gets of an answer, in bytes, so that others have their turn. */
const PARTITION_BYTES = 256 << 10
/** How long the word that more is committed waits for entries to go along (ms): alone it would be another request for each commit. */
const NEWS_DELAY = 50
/** How long a snapshot that is read in slices is kept after the last (ms). */
const SNAPSHOT_KEPT = 10_000
/** How long a session is kept in which nobody asks (ms). */
const SESSION_KEPT = 60_000
/** How often all partitions of a session are looked at, those with nothing new too (ms), at most. */
const LOOK = 2_000

export interface FetchServerHost extends DamageHost {
  readonly runtime: Runtime
  readonly storage: Storage
  /** Milliseconds that a follower may be silent and be in sync. */
  readonly lagTime: number
  /** Undefined: it is not led here. */
  readonly find: FindServed
}

/** Serves followers: entries as they come, and snapshots to those that are far behind. */
export class FetchServer {
  readonly #host: FetchServerHost
  readonly #snapshots = new Map<string, { readonly snapshot: StoredSnapshot; until: number }>()
  /** By follower: each has one of those in sync, and one of those behind. */
  readonly #sessions = new Map<string, LeaderSession>()
  /** Of each of the two, which one began last, though it may be forgotten. */
  readonly #newest = new Map<string, Pick<LeaderSession, 'id' | 'generation'>>()

  constructor(host: FetchServerHost) {
    this.#host = host
  }

  async fetch(request: FetchRequest, call: CallOptions = {}): Promise<FetchResponse> {
    if (request.session !== undefined) {
      const session = this.#sessionOf(request, request.session)
      if (session === undefined) return { results: [] }
      return { results: await this.#serve(session, request, call), session: session.id }
    }
    const alone = new LeaderSession(this.#host.find, 0, request.from.generation)
    try {
      return { results: await this.#serve(alone, request, call) }
    } finally {
      alone.close()
    }
  }

  async readSnapshot(request: SnapshotRequest): Promise<SnapshotSlice> {
    const { log, leading } = this.#led(request)
    const { header, pages } = await this.#snapshot(log, request.index)
    leading.installs(request.from, header.index)
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
    const { log, leading } = this.#led(request)
    const { first, end, maxBytes } = request
    const { storage } = this.#host
    leading.installs(request.from, end)
    const reading = storage.read(log, { from: first, to: end, maxBytes, kinds: 'messages' })
    return { entries: await ledRead(this.#host, log, reading) }
  }

  /** The session of a request, made if it is to be; undefined: it is not known here, or another began after it. */
  #sessionOf({ from }: FetchRequest, { id, number, catchUp }: FetchSession): LeaderSession | undefined {
    const key = keyOf(from, catchUp)
    const known = this.#sessions.get(key)
    if (known?.id === id && known.generation === from.generation) return known
    if (number > 0) return undefined
    const { generation } = from
    const newest = this.#newest.get(key)
    // It comes late: the log of which it speaks may have begun anew since.
    if (newest && (generation - newest.generation || id - newest.id) <= 0) return undefined
    this.#newest.set(key, { id, generation })
    known?.close()
    this.#forgetSilent()
    const session = new LeaderSession(this.#host.find, id, generation)
    this.#sessions.set(key, session)
    return session
  }

  #forgetSilent(): void {
    const silent = this.#host.runtime.clock.monotonic() - SESSION_KEPT
    for (const [key, session] of this.#sessions) {
      if (session.askedAt > silent) continue
      session.close()
      this.#sessions.delete(key)
    }
  }

  /** Answers as soon as there is something, and at once when a session begins: whoever asks knows then that it is kept. */
  async #serve(session: LeaderSession, request: FetchRequest, call: CallOptions): Promise<FetchResult[]> {
    const { runtime, lagTime } = this.#host
    const { clock, timers } = runtime
    const now = clock.monotonic()
    if (!session.take(request)) return []
    session.askedAt = now
    if (now - session.lookedAt >= Math.min(LOOK, lagTime / 4)) {
      session.lookedAt = now
      session.makeAllDue()
    }
    const wait = request.session?.number === 0 ? 0 : Math.min(request.wait, lagTime / 4)
    while (session.isCurrent(request)) {
      const { rings } = session
      const results = await this.#collect(session, request)
      const patience = results.length > 0 ? Math.min(NEWS_DELAY, wait) : wait
      const left = now + patience - clock.monotonic()
      if (left <= 0 || results.some(cannotWait)) return results
      await sleepUntil<true>(timers, 'fetch', { timeout: left, signal: call.signal }, (resolve) => {
        // What was appended while the others were looked at is not missed.
        if (session.rings !== rings) resolve(true)
        return session.onceRung(() => resolve(true))
      })
    }
    return []
  }

  /** Those that are left over are the first next time. */
  async #collect(session: LeaderSession, request: FetchRequest): Promise<FetchResult[]> {
    const results: FetchResult[] = []
    let left = request.maxBytes
    for (const asked of session.due) {
      if (left <= 0 || !session.isCurrent(request)) break
      session.begin(asked)
      const result = await this.#answer(request, asked.position, Math.min(left, PARTITION_BYTES))
      if (result === undefined) continue
      session.found(asked)
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

  async #snapshot(log: string, index: number | undefined): Promise<StoredSnapshot> {
    const now = this.#host.runtime.clock.monotonic()
    for (const [key, { until }] of this.#snapshots) if (until <= now) this.#snapshots.delete(key)
    const kept = index === undefined ? undefined : this.#snapshots.get(`${log} ${index}`)
    if (kept) {
      kept.until = now + SNAPSHOT_KEPT
      return kept.snapshot
    }
    const snapshot = await ledRead(this.#host, log, this.#host.storage.readSnapshot(log))
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

function keyOf({ broker, storage }: ReplicaName, catchUp: boolean): string {
  return `${broker}/${storage}${catchUp ? ' catches up' : ''}`
}

/** Anything but the mere word that more is committed. */
function cannotWait(result: FetchResult): boolean {
  return result.type !== 'entries' || result.entries.length > 0
}
