import type { StoredEntry } from '../core/entry.js'
import type { EntryBody } from '../core/entry-body.js'
import { encodeBody } from '../core/entry-codec.js'
import type { PartitionState } from '../core/partition-state.js'
import type { BatchReader } from './batch-reader.js'
import { Bell } from './bell.js'
import type { Commitment, Cut } from './cut.js'
import type { PartitionHost, TopicView } from './host.js'
import { observeCommitted, observeExpired } from './metrics/observe.js'
import type { QueueTimes } from './queue-times.js'
import type { Snapshotter } from './snapshotter.js'

/** Which partition, and all that belongs to its leader. */
export interface Leadership {
  readonly host: PartitionHost
  readonly topic: TopicView
  readonly partition: number
  readonly log: string
  readonly epoch: number
  readonly state: PartitionState
  readonly times: QueueTimes
  readonly reader: BatchReader
  readonly snapshotter: Snapshotter
  readonly commitment: Commitment
}

/** The pen of a partition's leader: writes entries, applies each at once to the speculative state, and hands them to commits. */
export class EntryLog {
  /** Every message below is committed: nothing above is shown. */
  committedOffset: number
  /** Rings when more is committed. */
  readonly committed = new Bell()
  readonly #lead: Leadership
  #entries: StoredEntry[] = []
  #bodies: EntryBody[] = []

  constructor(lead: Leadership) {
    this.#lead = lead
    this.committedOffset = lead.state.nextOffset
  }

  /** The first entry of the cut under way; undefined while there is none. */
  get firstIndex(): number | undefined {
    return this.#entries[0]?.index
  }

  /** The safe time of the next entry: it never falls. */
  safeTime(): number {
    const { state, host, commitment } = this.#lead
    return Math.max(state.safeTime, commitment.slowestClock(host.safeClock.now()))
  }

  /** Writes an entry and applies it. */
  append(group: Cut, body: EntryBody, records?: Uint8Array): void {
    const { host, state, epoch, times, reader, snapshotter, commitment } = this.#lead
    const { runtime } = host
    const payload = body.kind === 'messages' ? records! : encodeBody(body, runtime.crc32)
    const entry: StoredEntry = {
      index: state.nextIndex,
      epoch,
      kind: body.kind,
      version: commitment.entryVersion,
      baseOffset: state.nextOffset,
      count: body.kind === 'messages' ? body.header.count : 0,
      appendTime: Math.max(state.appendTime, Math.floor(runtime.clock.now())),
      safeTime: this.safeTime(),
      payload,
    }
    const expired = body.kind === 'trim' ? this.#expiredCounts() : undefined
    state.apply(entry, body)
    if (body.kind === 'trim') times.trimmed()
    this.#entries.push(entry)
    this.#bodies.push(body)
    group.bytes += payload.length
    if (body.kind !== 'acquire') group.durable = true
    if (body.kind === 'messages' && entry.count > 0) reader.appended(entry)
    snapshotter.appended(entry)
    if (expired) this.#announceExpired(group, expired)
  }

  /** Hands what was written to the commit. */
  flush(group: Cut): void {
    if (this.#entries.length === 0) return
    group.add({ type: 'append', log: this.#lead.log, entries: this.#entries }, 0)
    this.#entries = []
    const bodies = this.#bodies
    this.#bodies = []
    const offset = this.#lead.state.nextOffset
    group.onCommitted(() => {
      observeCommitted(this.#lead, bodies)
      if (offset > this.committedOffset) {
        this.committedOffset = offset
        this.committed.ring()
      }
    })
  }

  #expiredCounts(): Map<string, number> {
    return new Map([...this.#lead.state.queues.values()].map((queue) => [queue.group, queue.counts.expired]))
  }

  #announceExpired(group: Cut, before: ReadonlyMap<string, number>): void {
    const { host, topic, partition, state } = this.#lead
    for (const queue of state.queues.values()) {
      const count = queue.counts.expired - (before.get(queue.group) ?? 0)
      if (count === 0) continue
      const event = { topic: topic.name, partition, group: queue.group, count }
      group.onCommitted(() => {
        observeExpired(this.#lead, queue.group, count)
        host.emit('expired', event)
      })
    }
  }
}
