import { crc32 } from 'node:zlib'
import { decodeBody } from '../../src/core/entry-codec.js'
import { PartitionState } from '../../src/core/partition-state.js'
import { decodeSnapshot } from '../../src/core/snapshot.js'
import type { MemoryDatabase } from '../../src/storage/memory-database.js'
import type { Write } from '../../src/storage/storage.js'
import { dumpState } from '../unit/queue-model/dump.js'
import { firstDifference } from './difference.js'
import type { DiskWatcher } from './disk.js'
import { Ledger } from './ledger.js'
import { LogAudit } from './log-audit.js'
import type { Trace } from './trace.js'
import { check } from './violation.js'

/** Watches what is written to the disk, entry by entry, and holds it against what was promised. */
export class Auditor extends Ledger implements DiskWatcher {
  readonly #trace: Trace
  readonly #epochs = new Map<string, number>()
  #view: () => MemoryDatabase

  constructor(trace: Trace, now: () => number, maxDeliveries: (group: string) => number) {
    super(now, maxDeliveries)
    this.#trace = trace
    this.#view = () => {
      throw new Error('no disk')
    }
  }

  watch(view: () => MemoryDatabase, latestTime: () => number): void {
    this.#view = view
    this.latest = latestTime
  }

  written(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.type === 'append') {
        const audit = this.audit(write.log)
        for (const entry of write.entries) {
          this.#checkEpoch(write.log, entry.epoch)
          this.#trace.line(
            `log ${write.log.slice(0, 4)}${write.log.slice(-2)} ${entry.index} ${entry.kind} ${entry.baseOffset}+${entry.count}`,
          )
          audit.append(entry)
          this.entries++
        }
      } else if (write.type === 'delete-batches') this.#checkDeletion(write)
      else if (write.type === 'delete-log') this.logs.delete(write.log)
    }
    for (const write of writes) if (write.type === 'snapshot') this.checkRecovery(write.log)
  }

  /** After a crash: forgets what the disk forgot, and tells whether every promise still holds. */
  restarted(): void {
    for (const [log, before] of this.logs) {
      const view = this.#view()
      const last = view.read(log, { from: 0, maxBytes: Number.POSITIVE_INFINITY }).at(-1)?.index ?? -1
      const next = Math.max(last + 1, view.readSnapshot(log)?.header.index ?? 0)
      if (next === before.state.nextIndex) continue
      this.#trace.line(`lost ${before.state.nextIndex - next} entries of ${log}`)
      const audit = new LogAudit(log, this)
      this.logs.set(log, audit)
      this.again = true
      for (const entry of before.entries.slice(0, next)) audit.append(entry)
      this.again = false
    }
    for (const log of this.logs.keys()) this.checkRecovery(log)
    this.checkPromises()
  }

  /** The last snapshot with the entries after it gives what the whole log gives. */
  checkRecovery(log: string): void {
    const stored = this.#view().readSnapshot(log)
    const audit = this.audit(log)
    const state = stored
      ? decodeSnapshot(stored.header.payload, stored.pages, crc32).state
      : new PartitionState()
    const later = this.#view().read(log, { from: state.nextIndex, maxBytes: Number.POSITIVE_INFINITY })
    for (const entry of later) {
      const gap = () =>
        `${log} cannot be recovered: entry ${entry.index} is stored where ${state.nextIndex} is needed`
      check(entry.index === state.nextIndex, gap)
      state.apply(entry, decodeBody(entry, crc32))
    }
    const ids = audit.ids.filter((id) => id !== undefined)
    const difference = firstDifference(dumpState(state, ids), dumpState(audit.state, ids))
    check(
      difference === undefined,
      () => `${log}: snapshot and later entries differ from the whole log: ${difference}`,
    )
  }

  #checkEpoch(log: string, epoch: number): void {
    const key = `${log} ${epoch}`
    const writer = this.#epochs.get(key)
    check(
      writer === undefined || writer === this.life,
      () => `[1] ${log}: epoch ${epoch} is written by two lives`,
    )
    this.#epochs.set(key, this.life)
  }

  #checkDeletion({ log, from, to }: Extract<Write, { type: 'delete-batches' }>): void {
    const audit = this.audit(log)
    for (const { index, kind, count, baseOffset } of audit.entries.slice(from, to)) {
      const kept = kind === 'messages' && count > 0 && audit.isStored(baseOffset)
      check(!kept, () => `[11] ${log}: batch ${index} is deleted without a trim`)
    }
  }
}
