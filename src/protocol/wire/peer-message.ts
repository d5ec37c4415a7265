import { ByteReader, ByteWriter, varintLength } from '../../core/bytes.js'
import { PortalError } from '../../core/errors.js'
import type { Incarnation, PartitionName } from '../peer-service.js'
import { readList, readListUpTo, writeList } from './wire.js'

/**
 * The highest version of what brokers say to each other that this build reads. Each announces it in its MemberDocument; a reader refuses a
 * higher one with UNSUPPORTED. Fields that are appended do not raise it; what an older broker would misread does, and is then said only once
 * the cluster has agreed on it (coordination/cluster-versions.ts).
 */
export const PEER_VERSION = 1

/** What messages say that they are: the version that first had all that they say. */
export const MESSAGE_VERSION = 1

/** The longest name of anything: a cluster, a broker, its storage, a topic's id. */
const LONGEST_NAME = 256
/** The most partitions of one message: each is a few bytes here and a hundred in memory. */
const MOST_PARTITIONS = 200_000

/** A message of brokers in its parts. */
export interface PeerMessage {
  readonly bytes: Uint8Array
  readonly head: ByteReader
  /** What stands behind the head, in the order in which the head speaks of it. */
  readonly payloads: ByteReader
}

/**
 * A message is its version, its head as a block, and the payloads of which the head gives the lengths: so they are copied once,
 * and not at all where they arrive. New fields go to the end of the head or of a block in it, their payloads behind all others.
 */
export function encodePeerMessage(
  write: (head: ByteWriter, attach: (payload: Uint8Array) => void) => void,
  capacity?: number,
): Uint8Array {
  const head = new ByteWriter(capacity)
  const payloads: Uint8Array[] = []
  let attached = 0
  write(head, (payload) => {
    head.varint(payload.length)
    payloads.push(payload)
    attached += payload.length
  })
  const writer = new ByteWriter(1 + varintLength(head.length) + head.length + attached)
  writer.u8(MESSAGE_VERSION)
  writer.varint(head.length)
  writer.append(head)
  for (const payload of payloads) writer.raw(payload)
  return writer.finish()
}

/** Throws CORRUPT for what no broker has said, UNSUPPORTED for a version that this build does not read. */
export function openPeerMessage(bytes: Uint8Array): PeerMessage {
  const payloads = new ByteReader(bytes)
  checkPeerVersion(payloads.u8())
  const length = payloads.varint()
  const start = payloads.position
  payloads.skip(length)
  return { bytes, head: new ByteReader(bytes, start, start + length), payloads }
}

/** The next payload, whose length the head says next: a view. */
export function readPayload(reader: ByteReader, payloads: ByteReader): Uint8Array {
  return payloads.raw(reader.varint())
}

export function checkPeerVersion(version: unknown): void {
  const isVersion = Number.isSafeInteger(version) && (version as number) >= 1
  if (isVersion && (version as number) <= PEER_VERSION) return
  if (!isVersion)
    throw new PortalError('CORRUPT', 'These bytes are nothing that a broker of portal-mq says to another.')
  throw new PortalError(
    'UNSUPPORTED',
    `A broker speaks version ${version} of the protocol between brokers, this one reads up to ${PEER_VERSION}. Install a newer portal-mq here.`,
  )
}

/** Who asks, in which cluster: every request begins with it. */
export interface Sender {
  readonly cluster: string
  readonly from: Incarnation
}

export function writeSender(writer: ByteWriter, { cluster, from }: Sender): void {
  writer.string(cluster)
  writer.string(from.broker)
  writer.string(from.storage)
  writer.varint(from.generation)
}

export function readSender(reader: ByteReader): Sender {
  return {
    cluster: reader.string(LONGEST_NAME),
    from: {
      broker: reader.string(LONGEST_NAME),
      storage: reader.string(LONGEST_NAME),
      generation: reader.varint(),
    },
  }
}

export function writePartition(writer: ByteWriter, { topicId, partition }: PartitionName): void {
  writer.string(topicId)
  writer.varint(partition)
}

export function readPartition(reader: ByteReader): PartitionName {
  return { topicId: reader.string(LONGEST_NAME), partition: reader.varint() }
}

/**
 * A list over partitions, in its order. Those of one topic that stand together share its id, and a partition is written as its distance from the
 * one that would come next: thousands of them take a few bytes each.
 */
export function writePartitions<T extends PartitionName>(
  writer: ByteWriter,
  items: readonly T[],
  estimate: (item: T) => number,
  write: (item: T) => void,
): void {
  const sizeOf = (run: readonly T[]) => run.reduce((sum, item) => sum + estimate(item) + 1, LONGEST_NAME / 8)
  writeList(writer, runsOf(items), sizeOf, (run) => {
    writer.string(run[0]!.topicId)
    let next = 0
    writeList(writer, run, estimate, (item) => {
      writer.zigzag(item.partition - next)
      next = item.partition + 1
      write(item)
    })
  })
}

export function readPartitions<T>(
  bytes: Uint8Array,
  reader: ByteReader,
  read: (block: ByteReader, name: PartitionName) => T,
): T[] {
  const all: T[] = []
  readList(bytes, reader, (run) => {
    const topicId = run.string(LONGEST_NAME)
    let next = 0
    const readOne = (block: ByteReader): void => {
      const partition = readDistance(block, next)
      next = partition + 1
      all.push(read(block, { topicId, partition }))
    }
    readListUpTo(MOST_PARTITIONS - all.length, bytes, run, readOne)
  })
  return all
}

/** A number that was written as its distance from another. Throws CORRUPT for one below `least`. */
export function readDistance(reader: ByteReader, from: number, least = 0): number {
  const value = from + reader.zigzag()
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new PortalError('CORRUPT', `Damaged data at byte ${reader.position}: a number is out of its range.`)
}

function runsOf<T extends PartitionName>(items: readonly T[]): T[][] {
  const runs: T[][] = []
  for (const item of items) {
    const run = runs[runs.length - 1]
    if (run?.[0]?.topicId === item.topicId) run.push(item)
    else runs.push([item])
  }
  return runs
}
