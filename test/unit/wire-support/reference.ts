import type {
  HeldToken,
  LeaseToken,
  ProduceRequest,
  ProduceResponse,
  ReadResponse,
  ReceiveRequest,
  ReceiveResponse,
  SettleRequest,
  SettleResponse,
  StreamCredit,
  StreamRequest,
} from '../../../src/protocol/service.js'
import type { PackedBatch } from '../../../src/protocol/wire/produce.js'

/**
 * The binary forms once more, written from docs/protocol-http.md with nothing of ours, and able to play a later version: another
 * version byte, and fields appended to the message and to every block.
 */
export interface Later {
  readonly version: number
  /** What a later version has appended, everywhere. */
  readonly appended: Uint8Array
}

export const TODAY: Later = { version: 1, appended: new Uint8Array(0) }

export type Encode<T> = (value: T, later?: Later) => Uint8Array

export interface ProduceMessage {
  readonly acks: ProduceRequest['acks']
  readonly batches: readonly PackedBatch[]
}

export const produceRequest: Encode<ProduceMessage> = ({ acks, batches }, later = TODAY) =>
  message(later, [
    [acks === 'leader' ? 1 : 0],
    list(later, batches, ({ topicId, partition, packing, records }) => [
      text(topicId),
      varint(partition),
      [packing],
      counted(records),
    ]),
  ])

export const produceResponse: Encode<ProduceResponse> = ({ results }, later = TODAY) =>
  message(later, [
    list(later, results, ({ error, ...result }) =>
      error === undefined
        ? [[0], numbers((result as { runs: readonly number[] }).runs)]
        : [[1], text(error.code), text(error.message), [error.retriable ? 1 : 0]],
    ),
  ])

export const receiveRequest: Encode<ReceiveRequest> = (request, later = TODAY) =>
  message(later, [
    text(request.topicId),
    text(request.group),
    varint(request.generation),
    text(request.consumer),
    varint(request.lease),
    varint(request.maxMessages),
    varint(request.maxBytes),
    optional(request.wait),
    [request.held === undefined ? 0 : 1],
    request.held === undefined ? [] : heldOf(later, request.held),
    optional(request.id),
    // Whoever appends something says this before it, too.
    request.hint ? [1] : later.appended.length > 0 ? [0] : [],
  ])

export const receiveResponse: Encode<ReceiveResponse> = ({ deliveries, more }, later = TODAY) =>
  message(later, [
    list(later, deliveries, ({ partition, token, batches }) => [
      varint(partition),
      tokenOf(token),
      list(later, batches, ({ baseOffset, records, ranges, deliveryCounts }) => [
        varint(baseOffset),
        counted(records),
        rangesOf(ranges),
        numbers(deliveryCounts),
      ]),
    ]),
    more === undefined ? (later.appended.length > 0 ? [2] : []) : [more ? 1 : 0],
  ])

const OUTCOMES = { ack: 0, nack: 1, reject: 2, extend: 3, release: 4 }

export const settleRequest: Encode<SettleRequest> = (request, later = TODAY) =>
  message(later, [
    text(request.topicId),
    text(request.group),
    varint(request.generation),
    text(request.consumer),
    optional(request.number),
    list(later, request.settlements, ({ partition, token, outcome, ranges, delay, reason }) => [
      varint(partition),
      tokenOf(token),
      [OUTCOMES[outcome]],
      rangesOf(ranges),
      optional(delay),
      text(reason ?? ''),
    ]),
    text(request.credit?.stream ?? ''),
    request.credit === undefined ? [] : creditOf(request.credit),
  ])

export const streamRequest: Encode<StreamRequest> = (request, later = TODAY) =>
  message(later, [
    text(request.topicId),
    text(request.group),
    varint(request.generation),
    text(request.consumer),
    varint(request.lease),
    text(request.stream),
    creditOf(request.credit),
    [request.held === undefined ? 0 : 1],
    request.held === undefined ? [] : heldOf(later, request.held),
  ])

export const settleResponse: Encode<SettleResponse> = ({ lost }, later = TODAY) =>
  message(later, [list(later, lost, (ranges) => [rangesOf(ranges)])])

export const readResponse: Encode<ReadResponse> = ({ batches, nextOffset, endOffset }, later = TODAY) =>
  message(later, [
    varint(nextOffset),
    varint(endOffset),
    list(later, batches, ({ baseOffset, records }) => [varint(baseOffset), counted(records)]),
  ])

export type Bytes = readonly number[] | Uint8Array

function message({ version, appended }: Later, fields: readonly Bytes[]): Uint8Array {
  return join([[version], ...fields, appended])
}

export function list<T>(
  { appended }: Later,
  items: readonly T[],
  fields: (item: T) => readonly Bytes[],
): Bytes {
  return join([varint(items.length), ...items.map((item) => counted(join([...fields(item), appended])))])
}

export function join(parts: readonly Bytes[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)))
}

export function varint(value: number): Bytes {
  const bytes: number[] = []
  let left = BigInt(value)
  for (; left >= 128n; left >>= 7n) bytes.push(Number(left & 127n) | 128)
  return [...bytes, Number(left)]
}

export function optional(value: number | undefined): Bytes {
  return varint(value === undefined ? 0 : value + 1)
}

export function counted(bytes: Bytes): Bytes {
  return join([varint(bytes.length), bytes])
}

export function text(value: string): Bytes {
  return counted(new TextEncoder().encode(value))
}

function numbers(values: readonly number[]): Bytes {
  return join([varint(values.length), ...values.map(varint)])
}

function tokenOf({ epoch, index, slot }: LeaseToken): Bytes {
  return join([varint(epoch), varint(index), varint(slot)])
}

function heldOf(later: Later, held: readonly HeldToken[]): Bytes {
  return list(later, held, ({ partition, token }) => [varint(partition), tokenOf(token)])
}

function creditOf({ messages, bytes }: Omit<StreamCredit, 'stream'>): Bytes {
  return join([varint(messages), varint(bytes)])
}

/** Each as its distance from the end before it, and its length. */
function rangesOf(ranges: readonly number[]): Bytes {
  const parts: Bytes[] = [varint(ranges.length / 2)]
  for (let at = 0; at < ranges.length; at += 2) {
    parts.push(varint(ranges[at]! - (ranges[at - 1] ?? 0)), varint(ranges[at + 1]! - ranges[at]!))
  }
  return join(parts)
}
