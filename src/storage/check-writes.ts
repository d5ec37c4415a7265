import { ENTRY_KINDS, type EntryKind, type StoredEntry } from '../core/entry.js'
import { PortalError } from '../core/errors.js'
import { SEAL_BYTES } from '../core/seal.js'
import type { Write } from './storage.js'

const KINDS: ReadonlySet<EntryKind> = new Set(ENTRY_KINDS)

/**
 * Refuses what no state of the storage could accept: INVALID_ARGUMENT before anything happens. Whether the writes fit
 * the logs as they are is for the adapter to check.
 */
export function checkWrites(writes: readonly Write[]): void {
  for (const write of writes) {
    switch (write.type) {
      case 'append':
        checkEntries(write.log, write.entries)
        break
      case 'truncate':
        checkNumber(write.log, 'from', write.from)
        break
      case 'drop-prefix':
      case 'drop-state':
        checkNumber(write.log, 'below', write.below)
        break
      case 'delete-batches':
        checkNumber(write.log, 'from', write.from)
        checkNumber(write.log, 'to', write.to)
        break
      case 'page':
        checkNumber(write.log, 'page id', write.id)
        checkPayload(write.log, `page ${write.id}`, write.payload)
        break
      case 'snapshot':
        checkNumber(write.log, 'index', write.header.index)
        checkNumber(write.log, 'epoch', write.header.epoch)
        for (const id of write.header.pages) checkNumber(write.log, 'page id', id)
        checkPayload(write.log, 'the snapshot header', write.header.payload)
        break
      case 'drop-pages':
        for (const id of write.ids) checkNumber(write.log, 'page id', id)
        break
      case 'delete-log':
      case 'meta':
        break
      default:
        throw new PortalError('INVALID_ARGUMENT', `Storage knows no write of type ${(write as Write).type}.`)
    }
  }
}

function checkEntries(log: string, entries: readonly StoredEntry[]): void {
  let last = -1
  for (const entry of entries) {
    checkNumber(log, 'index', entry.index)
    if (entry.index <= last) throw notAbove(log, entry.index, last)
    last = entry.index
    checkNumber(log, 'epoch', entry.epoch)
    checkNumber(log, 'version', entry.version)
    checkNumber(log, 'base offset', entry.baseOffset)
    checkNumber(log, 'count', entry.count)
    checkNumber(log, 'append time', entry.appendTime)
    checkNumber(log, 'safe time', entry.safeTime)
    if (!KINDS.has(entry.kind)) {
      throw new PortalError(
        'INVALID_ARGUMENT',
        `Entry ${entry.index} of log ${log} has the unknown kind ${entry.kind}.`,
      )
    }
    checkPayload(log, `entry ${entry.index}`, entry.payload)
  }
}

function checkNumber(log: string, name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return
  throw new PortalError(
    'INVALID_ARGUMENT',
    `The ${name} of a write to log ${log} is ${value}; it must be an integer from 0 to 2^53 - 1.`,
  )
}

function checkPayload(log: string, what: string, payload: Uint8Array): void {
  if (payload.length >= SEAL_BYTES) return
  throw new PortalError('INVALID_ARGUMENT', `The payload of ${what} of log ${log} is too short to be sealed.`)
}

export function notAbove(log: string, index: number, highest: number): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError(
    'INVALID_ARGUMENT',
    `Entry ${index} cannot be appended to log ${log}, which holds entry ${highest}: indexes rise.`,
  )
}

export function pageExists(log: string, id: number): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError('INVALID_ARGUMENT', `Log ${log} already has a page ${id}: page ids are used once.`)
}

export function pageMissing(log: string, id: number): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError(
    'INVALID_ARGUMENT',
    `The snapshot of log ${log} names page ${id}, which was never stored.`,
  )
}

export function pageInUse(log: string, id: number): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError(
    'INVALID_ARGUMENT',
    `Page ${id} of log ${log} cannot be dropped: the published snapshot names it.`,
  )
}

export function storageClosed(): PortalError<'CLOSED'> {
  return new PortalError('CLOSED', 'The storage is closed.')
}
