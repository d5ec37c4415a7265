import type { StoredEntry } from '../../core/entry.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import { decodeSnapshot } from '../../core/snapshot.js'
import type { SnapshotRequest, SnapshotSlice } from '../../protocol/peer-service.js'
import type { Runtime } from '../../runtime/runtime.js'
import type { Storage, Write } from '../../storage/storage.js'
import type { Recovered } from '../recovery.js'
import type { SnapshotSource } from './snapshot-source.js'

/** Bytes of one request. */
const SLICE_BYTES = 1 << 20
/** How often a snapshot may be replaced by the leader's next one while it is read. */
const ATTEMPTS = 10

const PREFIX = 'installing:'

/** Why a log must not be led: what it has is not whole; or is, and ends before what is committed does. */
export type Distrust = 'broken' | 'behind'

export interface InstallHost {
  readonly runtime: Runtime
  readonly storage: Storage
}

export interface InstallSource {
  readonly peer: SnapshotSource
  /** All that names the log and who asks. */
  readonly request: Omit<SnapshotRequest, 'index' | 'fromPage' | 'maxBytes'>
  readonly signal: AbortSignal
  /** Whether there is room for so many bytes of messages. */
  fits(bytes: number): boolean
  /** Called when all that was stored before is about to be deleted. */
  cleared(): void
}

/**
 * Replaces a log by the leader's snapshot and the batches that are retained. From the first write to the last a mark says that the log is not
 * whole: whoever starts with it begins again. What fails in between leaves an empty log with that mark. What comes after the snapshot may be
 * committed, and is not here yet: another mark says so, until its leader has told of no more. STORAGE_FULL, before anything is deleted, if there is
 * no room for it.
 */
export async function installSnapshot(
  host: InstallHost,
  log: string,
  source: InstallSource,
): Promise<Recovered> {
  const { storage, runtime } = host
  const { header, pages, index, pageIds, epoch } = await readSnapshot(source)
  const { state, book } = decodeSnapshot(header, pages, runtime.crc32)
  if (!source.fits(state.directory.bytes))
    throw new PortalError('STORAGE_FULL', `There is no room for ${log}.`)
  const clear: Write[] = [distrustLog(log), { type: 'delete-log', log }]
  source.cleared()
  await storage.commit(clear, { durable: true })
  try {
    await copyBatches(host, log, source, index)
  } catch (error) {
    await storage.commit(clear, { durable: true })
    throw error
  }
  const pageWrites = pages.map((payload, at): Write => ({ type: 'page', log, id: pageIds[at]!, payload }))
  for (const slice of slices(pageWrites)) await storage.commit(slice, { durable: false })
  const whole: Write[] = [
    { type: 'snapshot', log, header: { index, epoch, pages: pageIds, payload: header } },
    markLog(log, 'behind'),
  ]
  await storage.commit(whole, { durable: true })
  return { state, book, strayPages: [], logStart: index }
}

/** The logs that are marked: they are no candidates for anything. */
export async function distrustedLogs(storage: Storage): Promise<Map<string, Distrust>> {
  const marks = await storage.readMeta(PREFIX)
  return new Map(
    [...marks].map(([key, [value]]) => [
      key.slice(PREFIX.length),
      value === MARKS.behind ? 'behind' : 'broken',
    ]),
  )
}

/** Removes a log and the mark that it was not whole. */
export function forgetLog(log: string): Write[] {
  return [{ type: 'delete-log', log }, trustLog(log)]
}

/** Marks a log that cannot be trusted any more: it is to be installed anew. */
export function distrustLog(log: string): Write {
  return markLog(log, 'broken')
}

export function trustLog(log: string): Write {
  return { type: 'meta', key: PREFIX + log, value: undefined }
}

/** Builds that know one mark only take the other for it, and begin again. */
const MARKS: Record<Distrust, number> = { broken: 1, behind: 2 }

export function markLog(log: string, distrust: Distrust): Write {
  return { type: 'meta', key: PREFIX + log, value: new Uint8Array([MARKS[distrust]]) }
}

async function readSnapshot(source: InstallSource): Promise<SnapshotSlice> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readPages(source)
    } catch (error) {
      if (!isPortalError(error, 'OFFSET_OUT_OF_RANGE') || attempt === ATTEMPTS) throw error
    }
  }
}

async function readPages({ peer, request, signal }: InstallSource): Promise<SnapshotSlice> {
  const read = (fromPage: number, index?: number) =>
    peer.readSnapshot({ ...request, index, fromPage, maxBytes: SLICE_BYTES }, { signal })
  const first = await read(0)
  const pages = [...first.pages]
  while (pages.length < first.pageIds.length) {
    const slice = await read(pages.length, first.index)
    if (slice.pages.length === 0)
      throw new PortalError('CORRUPT', `A snapshot of ${request.topicId}/${request.partition} lacks pages.`)
    pages.push(...slice.pages)
  }
  return { ...first, pages }
}

async function copyBatches(
  { storage }: InstallHost,
  log: string,
  { peer, request, signal }: InstallSource,
  end: number,
): Promise<void> {
  for (let first = 0; first < end; ) {
    const { entries } = await peer.readBatches({ ...request, first, end, maxBytes: SLICE_BYTES }, { signal })
    if (entries.length === 0) return
    // The log was deleted: what comes is written as it comes, with holes where batches were trimmed.
    await storage.commit([{ type: 'append', log, entries }], { durable: false })
    first = lastIndex(entries) + 1
  }
}

function lastIndex(entries: readonly StoredEntry[]): number {
  return entries[entries.length - 1]!.index
}

function* slices(writes: readonly Write[]): Generator<Write[]> {
  let slice: Write[] = []
  let bytes = 0
  for (const write of writes) {
    slice.push(write)
    if (write.type === 'page') bytes += write.payload.length
    if (bytes < SLICE_BYTES) continue
    yield slice
    slice = []
    bytes = 0
  }
  if (slice.length > 0) yield slice
}
