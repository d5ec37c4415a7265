import type { DiskEvent } from './strace.js'

type Pending = Extract<DiskEvent, { type: 'write' | 'truncate' }>

interface ModelFile {
  /** What has been synced. */
  durable: Buffer
  /** What has not: any part of it may be on the disk. */
  pending: Pending[]
  /** Whether its name has been synced, with the directory. */
  named: boolean
}

/** How much of what was not synced is still there after the loss of power. */
export type Mercy = 'nothing' | 'everything' | 'chance'

const SECTOR = 512

/**
 * A disk that keeps what was synced, and of the rest what chance decides, in sectors: writes may be lost, come out of
 * order and be torn; a new name may be missing and a deleted file be back.
 */
export class DiskModel {
  readonly #files = new Map<string, ModelFile>()
  /** Deleted, and not yet so by a sync of the directory. */
  readonly #deleted = new Map<string, ModelFile>()

  apply(event: DiskEvent): void {
    switch (event.type) {
      case 'create':
        if (!this.#files.has(event.file)) {
          this.#files.set(event.file, { durable: Buffer.alloc(0), pending: [], named: false })
        }
        break
      case 'write':
      case 'truncate':
        this.#files.get(event.file)?.pending.push(event)
        break
      case 'sync': {
        const file = this.#files.get(event.file)
        if (file === undefined) break
        for (const pending of file.pending) file.durable = applyTo(file.durable, pending)
        file.pending = []
        break
      }
      case 'sync-directory':
        for (const file of this.#files.values()) file.named = true
        this.#deleted.clear()
        break
      case 'unlink': {
        const file = this.#files.get(event.file)
        this.#files.delete(event.file)
        if (file?.named) this.#deleted.set(event.file, file)
      }
    }
  }

  /** What is found after the loss of power at this moment. */
  afterPowerLoss(mercy: Mercy, random: () => number): Map<string, Buffer> {
    const keep = (): boolean => (mercy === 'chance' ? random() < 0.5 : mercy === 'everything')
    const found = new Map<string, Buffer>()
    for (const [path, file] of this.#deleted) if (!keep()) found.set(path, survivor(file, keep))
    for (const [path, file] of this.#files) if (file.named || keep()) found.set(path, survivor(file, keep))
    return found
  }
}

function survivor({ durable, pending }: ModelFile, keep: () => boolean): Buffer {
  let content: Buffer = Buffer.from(durable)
  for (const change of pending) {
    if (change.type === 'truncate') content = keep() ? applyTo(content, change) : content
    else for (const part of sectors(change)) if (keep()) content = applyTo(content, part)
  }
  return content
}

function applyTo(content: Buffer, change: Pending): Buffer {
  const size =
    change.type === 'truncate' ? change.size : Math.max(content.length, change.offset + change.bytes.length)
  let changed: Buffer = content
  if (size < content.length) changed = content.subarray(0, size)
  else if (size > content.length) changed = Buffer.concat([content, Buffer.alloc(size - content.length)])
  if (change.type === 'write') change.bytes.copy(changed, change.offset)
  return changed
}

function* sectors({ file, offset, bytes }: Extract<Pending, { type: 'write' }>): Generator<Pending> {
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + SECTOR - ((offset + at) % SECTOR))
    yield { type: 'write', file, offset: offset + at, bytes: bytes.subarray(at, end) }
    at = end
  }
}
