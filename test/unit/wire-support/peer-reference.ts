import { ENTRY_KINDS, type StoredEntry } from '../../../src/core/entry.js'
import type {
  AppendRequest,
  BatchesRequest,
  BatchesResponse,
  FetchRequest,
  FetchResponse,
  PartitionName,
  SnapshotRequest,
  SnapshotSlice,
} from '../../../src/protocol/peer-service.js'
import type { Sender } from '../../../src/protocol/wire/peer-message.js'
import {
  type Bytes,
  counted,
  type Encode,
  join,
  type Later,
  list,
  optional,
  TODAY,
  text,
  varint,
} from './reference.js'

/** The binary forms between brokers once more, from docs/protocol-http.md; a later writer keeps the version when it only appends. */
export const fetchRequest: Encode<FetchRequest> = (request, later = TODAY) =>
  message(later, [
    senderOf(request),
    varint(request.wait),
    varint(request.maxBytes),
    varint(request.now),
    partitionsOf(
      later,
      request.partitions,
      ({ epoch, next, lastEpoch, highWatermark, round, documentVersion }) => [
        varint(epoch),
        varint(next),
        varint(lastEpoch + 1),
        zigzag(next - highWatermark),
        varint(round!),
        varint(documentVersion!),
      ],
    ),
    optional(request.session?.id),
    ...sessionOf(later, request.session),
  ])

function sessionOf(later: Later, session: FetchRequest['session']): readonly Bytes[] {
  if (session === undefined) return []
  const forgotten = partitionsOf(later, session.forgotten, () => [])
  return [varint(session.number), forgotten, [session.catchUp ? 1 : 0]]
}

export const fetchResponse: Encode<FetchResponse> = ({ results, session }, later = TODAY) => {
  const payloads: Bytes[] = []
  const head = partitionsOf(later, results, (result) => {
    const own = result.type === 'entries' ? result.entries.map(({ payload }) => payload) : []
    // A later version may speak of more bytes of this partition, behind those that this one knows.
    const all = join([...own, later.appended])
    payloads.push(all)
    const code = { entries: 0, diverged: 1, behind: 2, error: 3 }[result.type]
    return [varint(all.length), [code], ...outcomeOf(later, result)]
  })
  return message(later, [head, optional(session)], payloads)
}

function outcomeOf(later: Later, result: FetchResponse['results'][number]): Bytes[] {
  switch (result.type) {
    case 'entries':
      return [
        varint(result.highWatermark),
        entriesOf(later, result.entries),
        varint(result.round),
        varint(result.documentVersion),
      ]
    case 'diverged':
      return [varint(result.epoch + 1), varint(result.end)]
    case 'behind':
      return []
    case 'error':
      return [text(result.error.code), text(result.error.message), [result.error.retriable ? 1 : 0]]
  }
}

function entriesOf(later: Later, entries: readonly StoredEntry[]): Bytes {
  let before = { index: -1, epoch: 0, baseOffset: 0, count: 0, appendTime: 0 }
  return list(later, entries, (entry) => {
    const fields = [
      zigzag(entry.index - before.index - 1),
      zigzag(entry.epoch - before.epoch),
      [ENTRY_KINDS.indexOf(entry.kind)],
      varint(entry.version),
      zigzag(entry.baseOffset - before.baseOffset - before.count),
      varint(entry.count),
      zigzag(entry.appendTime - before.appendTime),
      zigzag(entry.safeTime - entry.appendTime),
      varint(entry.payload.length),
    ]
    before = entry
    return fields
  })
}

export const batchesRequest: Encode<BatchesRequest> = (request, later = TODAY) =>
  message(later, [
    senderOf(request),
    nameOf(request),
    varint(request.epoch),
    varint(request.first),
    varint(request.end),
    varint(request.maxBytes),
  ])

export const batchesResponse: Encode<BatchesResponse> = ({ entries }, later = TODAY) =>
  message(
    later,
    [entriesOf(later, entries)],
    entries.map(({ payload }) => payload),
  )

export const snapshotRequest: Encode<SnapshotRequest> = (request, later = TODAY) =>
  message(later, [
    senderOf(request),
    nameOf(request),
    varint(request.epoch),
    optional(request.index),
    varint(request.fromPage),
    varint(request.maxBytes),
  ])

export const snapshotSlice: Encode<SnapshotSlice> = (slice, later = TODAY) => {
  const { index, epoch, header, pageIds, pages } = slice
  const lengths = pages.map((page) => varint(page.length))
  const ids = pageIds.map((id, at) => zigzag(id - (pageIds[at - 1] ?? 0)))
  const fields = [
    varint(index),
    varint(epoch),
    varint(header.length),
    varint(ids.length),
    ...ids,
    varint(lengths.length),
    ...lengths,
  ]
  return message(later, fields, [header, ...pages])
}

export const appendRequest: Encode<AppendRequest> = (request, later = TODAY) =>
  message(later, [senderOf(request), nameOf(request), varint(request.records.length)], [request.records])

function message(
  { version, appended }: Later,
  head: readonly Bytes[],
  payloads: readonly Bytes[] = [],
): Uint8Array {
  return join([[version], counted(join([...head, appended])), ...payloads, appended])
}

function senderOf({ cluster, from }: Sender): Bytes {
  return join([text(cluster), text(from.broker), text(from.storage), varint(from.generation)])
}

function nameOf({ topicId, partition }: PartitionName): Bytes {
  return join([text(topicId), varint(partition)])
}

/** Runs of one topic. */
function partitionsOf<T extends PartitionName>(
  later: Later,
  items: readonly T[],
  fields: (item: T) => readonly Bytes[],
): Bytes {
  const starts = items.flatMap(({ topicId }, at) =>
    at === 0 || items[at - 1]!.topicId !== topicId ? [at] : [],
  )
  const runs = starts.map((start, at) => items.slice(start, starts[at + 1]))
  return list(later, runs, (run) => {
    const within = run.map((item, at) => ({
      item,
      distance: item.partition - (at === 0 ? 0 : run[at - 1]!.partition + 1),
    }))
    return [
      text(run[0]!.topicId),
      list(later, within, ({ item, distance }) => [zigzag(distance), ...fields(item)]),
    ]
  })
}

/** 0, -1, 1, -2, … as 0, 1, 2, 3, … */
function zigzag(value: number): Bytes {
  const big = BigInt(value)
  return varint(Number(big < 0n ? -big * 2n - 1n : big * 2n))
}
