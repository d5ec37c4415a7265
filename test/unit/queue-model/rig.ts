import { crc32 } from 'node:zlib'
import { expect } from 'vitest'
import { planAppend } from '../../../src/broker/append-batch.js'
import { FailureJudge } from '../../../src/broker/failures.js'
import { type PendingSettle, SettleBuilder } from '../../../src/broker/settling.js'
import { Chooser } from '../../../src/core/choose.js'
import type { StoredEntry } from '../../../src/core/entry.js'
import type { EntryBody, LeaseKey } from '../../../src/core/entry-body.js'
import { decodeBody, encodeBody } from '../../../src/core/entry-codec.js'
import { OffsetSet } from '../../../src/core/offset-set.js'
import { PartitionState } from '../../../src/core/partition-state.js'
import { conservationError } from '../../../src/core/queue-codec.js'
import { RecordBatchBuilder } from '../../../src/core/record-batch-builder.js'
import { readBatchHeader } from '../../../src/core/record-batch-header.js'
import { decodeSnapshot, encodeSnapshot, SnapshotBook } from '../../../src/core/snapshot.js'
import type { GroupSettings } from '../../../src/protocol/groups.js'
import { seededRandom } from '../../../src/runtime/virtual.js'
import { dumpState } from './dump.js'
import { GroupModel } from './group-model.js'

export const CONSUMERS = ['anna', 'bert', 'odd\nname'] as const

/** A leader without a broker: makes entries with the broker's own deciders, applies them to a state and to a model. */
export class Rig {
  state = new PartitionState()
  now = 1_000
  readonly groups = new Map<string, GroupModel>()
  readonly settings: GroupSettings
  readonly #log: StoredEntry[] = []
  readonly #random = seededRandom(5)
  readonly #ids = new Set<string>()
  #book = new SnapshotBook()
  readonly #pages = new Map<number, Uint8Array>()
  #snapshot: { readonly index: number; readonly header: Uint8Array; readonly pages: Uint8Array[] } | undefined
  #epoch = 0
  #generation = 0

  constructor(settings: GroupSettings) {
    this.settings = settings
  }

  epoch(): void {
    this.#epoch++
    this.#append({ kind: 'epoch', leader: 'leader' })
  }

  limits(window: number, ids: number): void {
    this.#append({ kind: 'topic', dedupe: { window, ids } })
  }

  startGroup(group: string, start: number): void {
    const from = Math.min(start, this.state.nextOffset)
    const model = new GroupModel(++this.#generation, from)
    this.#append({
      kind: 'group',
      group,
      change: { type: 'started', generation: model.generation, start: from },
    })
    const stored = new OffsetSet()
    this.state.directory.walk(0, ({ baseOffset, count }) => stored.add(baseOffset, baseOffset + count) >= 0)
    for (let offset = from; offset < this.state.nextOffset; offset++) {
      model.append(offset)
      if (!stored.has(offset)) model.settle(offset)
    }
    this.groups.set(group, model)
  }

  deleteGroup(group: string): void {
    if (!this.groups.delete(group)) return
    this.#append({ kind: 'group', group, change: { type: 'deleted' } })
  }

  produce(producer: string, sequence: number, ids: readonly (string | undefined)[]): void {
    const builder = new RecordBatchBuilder(crc32)
    for (const id of ids)
      builder.tryAppend({ contentType: 'text', value: 'x'.repeat(9), timestamp: this.now, id })
    const records = builder.seal(producer, 0, sequence)
    for (const id of ids) if (id !== undefined) this.#ids.add(id)
    for (const batch of planAppend(this.state, records, readBatchHeader(records), crc32).batches) {
      const first = this.state.nextOffset
      this.#append(
        { kind: 'messages', header: batch.header, ids: batch.ids, bytes: batch.records.length },
        batch.records,
      )
      expect(this.state.nextOffset).toBe(first + batch.header.count)
      for (const model of this.groups.values()) {
        for (let offset = first; offset < this.state.nextOffset; offset++) model.append(offset)
      }
    }
  }

  /** One `acquire` entry for several consumers, as the broker makes it. */
  acquire(
    group: string,
    asks: readonly { readonly consumer: string; readonly max: number; readonly bytes: number }[],
  ): void {
    const queue = this.state.queues.get(group)
    const model = this.groups.get(group)
    if (!queue || !model) return
    const deliverable = model.deliverable(this.now)
    const ready = new OffsetSet()
    for (const offset of deliverable) if (model.at(offset).place === 'waiting') ready.add(offset)
    const chooser = new Chooser(queue, this.state.directory, this.state.nextOffset, ready, new OffsetSet())
    expect(chooser.left).toBe(deliverable.length)
    const grants: { consumer: string; ranges: number[] }[] = []
    for (const { consumer, max, bytes } of asks) {
      const left = chooser.left
      const ranges = chooser.take(max, bytes)
      const size = offsetsOf(ranges).length
      expect(size).toBeGreaterThanOrEqual(Math.min(1, left))
      expect(size).toBeLessThanOrEqual(Math.min(max, left))
      if (bytes === Number.MAX_SAFE_INTEGER) expect(size).toBe(Math.min(max, left))
      if (size > 0) grants.push({ consumer, ranges })
    }
    this.#grant(group, model, grants)
  }

  acquireSuspect(group: string, consumer: string): void {
    const queue = this.state.queues.get(group)
    const model = this.groups.get(group)
    if (!queue || !model) return
    const suspects = model.where(({ place, suspect }) => place === 'available' && suspect)
    const ready = model.where(({ place, suspect, due }) => place === 'waiting' && suspect && due <= this.now)
    const chooser = new Chooser(
      queue,
      this.state.directory,
      this.state.nextOffset,
      new OffsetSet(),
      setOf(ready),
    )
    const chosen = chooser.takeSuspect()
    expect(chosen).toBe(ready[0] ?? suspects[0])
    if (chosen !== undefined) this.#grant(group, model, [{ consumer, ranges: [chosen, chosen + 1] }])
  }

  /** Several settle requests in one turn, as the broker gathers them. Each answer says what was lost. */
  settle(requests: readonly Omit<PendingSettle, 'answer' | 'fail'>[]): void {
    let builder = new SettleBuilder(this.state, this.now, this.#random)
    for (const request of requests) {
      const pending = { ...request, answer() {}, fail() {} }
      if (builder.conflicts(pending)) {
        this.#applySettles(builder)
        builder = new SettleBuilder(this.state, this.now, this.#random)
      }
      const lost = builder.add(pending, this.settings)
      const model = this.groups.get(request.group)
      const settled = new Set<string>()
      request.parts.forEach((part, at) => {
        const token = name(part.token)
        const expected = offsetsOf(part.ranges).filter((offset) => {
          const standing = model?.messages.get(offset)
          const held = standing?.place === 'leased' && standing.token === `${token} ${request.consumer}`
          const again = settled.has(`${token} ${offset}`)
          // What is extended is held still.
          if (part.outcome !== 'extend') settled.add(`${token} ${offset}`)
          return !held || again || model?.generation !== request.generation
        })
        expect(offsetsOf(lost[at]!)).toEqual(expected)
      })
    }
    this.#applySettles(builder)
  }

  /** Leases that ended without word: alone it is a failure, among several suspicious. */
  endLease(group: string, token: LeaseKey): void {
    const queue = this.state.queues.get(group)
    const lease = queue?.findLease(token)
    if (!queue || !lease) return
    const builder = new SettleBuilder(this.state, this.now, this.#random)
    const ranges = lease.terms.flatMap((term) => term.offsets.ranges())
    const sorted = new OffsetSet()
    for (let at = 0; at < ranges.length; at += 2) sorted.add(ranges[at]!, ranges[at + 1]!)
    if ((queue.held.get(lease.consumer) ?? 0) > 1) {
      builder.addAll(queue, token, sorted.ranges(), { type: 'suspected' })
    } else {
      const judge = new FailureJudge(queue, this.settings, this.now, this.#random)
      builder.addEach(queue, token, sorted.ranges(), (offset) => judge.fail(offset, undefined, 'silent'))
    }
    this.#applySettles(builder)
  }

  bury(group: string, max: number): void {
    const model = this.groups.get(group)
    const dying = model?.where(({ place }) => place === 'dying').slice(0, max) ?? []
    if (!model || dying.length === 0) return
    const item = { group, lease: undefined, change: { type: 'dead' as const }, ranges: rangesOf(dying) }
    this.#append({ kind: 'settle', items: [item], answers: [] })
    for (const offset of dying) model.settle(offset)
  }

  trim(reason: 'consumed' | 'age' | 'bytes', boundIndex: number, boundTime: number): void {
    const before = this.#stored()
    this.#append({ kind: 'trim', reason, boundIndex, boundTime })
    const after = this.#stored()
    for (const offset of before) {
      if (after.has(offset)) continue
      for (const model of this.groups.values()) {
        if (offset < model.start) continue
        const { place } = model.at(offset)
        expect(['leased', 'dying']).not.toContain(place)
        if (reason === 'consumed') expect(place).toBe('settled')
        model.settle(offset)
      }
    }
  }

  /** Writes a snapshot as the broker does: changed pages and a header. */
  snapshot(): void {
    const encoded = encodeSnapshot(this.state, this.#book, crc32)
    for (const { id, payload } of encoded.newPages) this.#pages.set(id, payload)
    for (const id of encoded.droppedPages) this.#pages.delete(id)
    this.state.toDelete = []
    const pages = encoded.pages.map((id) => this.#pages.get(id)!)
    this.#snapshot = { index: encoded.index, header: encoded.payload, pages }
  }

  /** Restarts: the last snapshot and the entries after it must give the same state as the whole log. */
  reopen(): void {
    const { state, book } = this.#snapshot
      ? decodeSnapshot(this.#snapshot.header, this.#snapshot.pages, crc32)
      : { state: new PartitionState(), book: new SnapshotBook() }
    for (const entry of this.#log.slice(state.nextIndex)) state.apply(entry, decodeBody(entry, crc32))
    expect(dumpState(state, this.#ids)).toEqual(dumpState(this.state, this.#ids))
    this.state = state
    this.#book = book
    // What a crash left of pages that the header does not name is never named again.
    for (const id of this.#pages.keys()) book.nextId = Math.max(book.nextId, id + 1)
  }

  replayAll(): void {
    const state = new PartitionState()
    for (const entry of this.#log) state.apply(entry, decodeBody(entry, crc32))
    expect(dumpState(state, this.#ids)).toEqual(dumpState(this.state, this.#ids))
  }

  /** Compares the queues with the model. */
  check(): void {
    expect([...this.state.queues.keys()].sort()).toEqual([...this.groups.keys()].sort())
    for (const [group, model] of this.groups) {
      const queue = this.state.queues.get(group)!
      const end = this.state.nextOffset
      expect(conservationError(queue, end)).toBeUndefined()
      expect(queue.available(end)).toBe(model.count('available'))
      expect([queue.leased, queue.waiting, queue.dying]).toEqual(
        (['leased', 'waiting', 'dying'] as const).map((place) => model.count(place)),
      )
      expect(offsetsOf(queue.settled.ranges())).toEqual(model.where(({ place }) => place === 'settled'))
      const floor = model.where(({ place }) => place !== 'settled')[0] ?? Math.max(end, model.start)
      expect(queue.floor).toBe(floor)
      for (const [offset, standing] of model.messages) {
        const trouble = queue.troubles.get(offset)
        expect([trouble?.failures ?? 0, trouble?.suspect ?? false]).toEqual([
          standing.failures,
          standing.suspect,
        ])
        expect(standing.failures).toBeLessThanOrEqual(this.settings.maxDeliveries)
      }
      const line = model.where(({ place }) => place === 'dying').map((offset) => model.at(offset).sequence)
      expect(new Set(line).size, 'each dying message has its own place in line').toBe(line.length)
    }
  }

  leases(group: string): { token: LeaseKey; consumer: string; offsets: number[] }[] {
    return [...(this.state.queues.get(group)?.leases.values() ?? [])].map((lease) => ({
      token: lease.key,
      consumer: lease.consumer,
      offsets: lease.terms.flatMap((term) => offsetsOf(term.offsets.ranges())).sort((a, b) => a - b),
    }))
  }

  #stored(): Set<number> {
    const stored = new Set<number>()
    this.state.directory.walk(0, ({ baseOffset, count }) => {
      for (let offset = baseOffset; offset < baseOffset + count; offset++) stored.add(offset)
      return true
    })
    return stored
  }

  #grant(group: string, model: GroupModel, grants: { consumer: string; ranges: number[] }[]): void {
    if (grants.length === 0) return
    const index = this.state.nextIndex
    this.#append({
      kind: 'acquire',
      grants: grants.map(({ consumer, ranges }, at) => ({
        group,
        consumer,
        ranges,
        local: at % 2 === 1,
        duration: 1_000,
      })),
    })
    grants.forEach(({ consumer, ranges }, slot) => {
      const token = `${name({ epoch: this.#epoch, index, slot })} ${consumer}`
      for (const offset of offsetsOf(ranges)) model.lease(offset, token, this.now)
    })
  }

  #applySettles(builder: SettleBuilder): void {
    if (builder.isEmpty) return
    const { items, answers } = builder
    this.#append({ kind: 'settle', items, answers })
    for (const { group, change, ranges } of items) {
      const model = this.groups.get(group)!
      offsetsOf(ranges).forEach((offset, at) => {
        if (change.type === 'acked' || change.type === 'discarded') model.settle(offset)
        else if (change.type === 'released') model.giveBack(offset, false)
        else if (change.type === 'suspected') model.giveBack(offset, true)
        else if (change.type === 'retry') model.fail(offset, change.due)
        else if (change.type === 'rejected') model.die(offset, change.sequence + at)
      })
    }
  }

  /** Through the codec, so that every body that is applied has made the round trip. */
  #append(body: EntryBody, records?: Uint8Array): void {
    const entry: StoredEntry = {
      index: this.state.nextIndex,
      epoch: this.#epoch,
      kind: body.kind,
      version: 1,
      baseOffset: this.state.nextOffset,
      count: body.kind === 'messages' ? body.header.count : 0,
      appendTime: this.now,
      safeTime: this.now,
      payload: body.kind === 'messages' ? records! : encodeBody(body, crc32),
    }
    const decoded = decodeBody(entry, crc32)
    expect(decoded).toEqual(body)
    this.state.apply(entry, decoded)
    this.#log.push(entry)
  }
}

function name({ epoch, index, slot }: LeaseKey): string {
  return `${epoch}/${index}/${slot}`
}

export function offsetsOf(ranges: readonly number[]): number[] {
  const offsets: number[] = []
  for (let at = 0; at < ranges.length; at += 2) {
    for (let offset = ranges[at]!; offset < ranges[at + 1]!; offset++) offsets.push(offset)
  }
  return offsets
}

export function rangesOf(offsets: readonly number[]): number[] {
  return setOf(offsets).ranges()
}

function setOf(offsets: readonly number[]): OffsetSet {
  const set = new OffsetSet()
  for (const offset of offsets) set.add(offset)
  return set
}
