import { ENTRY_KINDS, type StoredEntry } from '../../core/entry.js'
import { PortalError } from '../../core/errors.js'
import type { FetchRequest, Incarnation, PeerService } from '../../protocol/peer-service.js'
import { bytes } from './support.js'

/** A call between brokers: its request and its answer as they must be at the other end. */
export interface PeerSample {
  readonly method: keyof PeerService
  /** What is special about it. */
  readonly what?: string
  readonly request: object
  readonly answer: unknown
}

const incarnation: Incarnation = { broker: 'mq-1', storage: 'a1b2c3', generation: 7 }
const to: Incarnation = { broker: 'mq-2', storage: 'd4e5f6', generation: 1 }
export const sender = { cluster: 'a-cluster', from: incarnation }
const name = { topicId: '0123456789abcdef', partition: 3 }

export const fetchRequest: FetchRequest = {
  ...sender,
  wait: 500,
  maxBytes: 1 << 20,
  now: 1_700_000_000_123,
  partitions: [
    { ...name, epoch: 5, next: 1_000, lastEpoch: 4, highWatermark: 998, round: 3, documentVersion: 2 },
    {
      ...name,
      partition: 2,
      epoch: 1,
      next: 0,
      lastEpoch: -1,
      highWatermark: 0,
      round: 3,
      documentVersion: 2,
    },
    {
      topicId: 'another',
      partition: 0,
      epoch: 2 ** 40,
      next: 2 ** 52,
      lastEpoch: 2 ** 40,
      highWatermark: 2 ** 52,
      round: 3,
      documentVersion: 2,
    },
    {
      ...name,
      partition: 9,
      epoch: 5,
      next: 7,
      lastEpoch: 5,
      highWatermark: 9,
      round: 3,
      documentVersion: 2,
    },
  ],
}

export function entry(index: number, payload: Uint8Array, other: Partial<StoredEntry> = {}): StoredEntry {
  const times = { appendTime: 1_700_000_000_000 + index, safeTime: 1_700_000_000_000 - index }
  return {
    index,
    epoch: 3,
    kind: 'messages',
    version: 1,
    baseOffset: index * 10,
    count: 10,
    ...times,
    payload,
    ...other,
  }
}

/** One of each kind, with a gap where a trim was, and times that stand still. */
const entries = ENTRY_KINDS.map((kind, at) =>
  entry(at < 3 ? at : at + 5, bytes(at * 7, at), {
    kind,
    epoch: at,
    count: kind === 'messages' ? 10 : 0,
    version: at + 1,
  }),
)

export const peerSamples: readonly PeerSample[] = [
  {
    method: 'fetch',
    request: fetchRequest,
    answer: {
      results: [
        { ...name, type: 'entries', entries, highWatermark: 12, round: 3, documentVersion: 2 },
        {
          ...name,
          partition: 4,
          type: 'entries',
          entries: [],
          highWatermark: 2 ** 50,
          round: 3,
          documentVersion: 2,
        },
        { ...name, partition: 1, type: 'diverged', epoch: 4, end: 990 },
        { ...name, partition: 0, type: 'diverged', epoch: -1, end: 0 },
        { topicId: 'another', partition: 0, type: 'behind' },
        {
          topicId: 'another',
          partition: 1,
          type: 'error',
          error: new PortalError('NOT_LEADER', 'It is mq-3.'),
        },
        {
          ...name,
          partition: 8,
          type: 'error',
          error: new PortalError('CORRUPT', 'Rot ‘here’ 🙂', { retriable: true }),
        },
      ],
    },
  },
  {
    method: 'fetch',
    what: 'about nothing',
    request: { ...fetchRequest, wait: 0, partitions: [] },
    answer: { results: [] },
  },
  {
    method: 'fetch',
    what: 'in a session',
    request: {
      ...fetchRequest,
      session: {
        id: 2 ** 47,
        number: 12,
        forgotten: [name, { topicId: 'another', partition: 8 }],
        catchUp: true,
      },
    },
    answer: { results: [], session: 2 ** 47 },
  },
  {
    method: 'readSnapshot',
    request: { ...sender, ...name, epoch: 5, index: 900, fromPage: 2, maxBytes: 4_096 },
    answer: {
      index: 900,
      epoch: 4,
      header: bytes(50),
      pageIds: [9, 3, 2 ** 40, 0],
      pages: [bytes(3), bytes(0), bytes(9)],
    },
  },
  {
    method: 'readSnapshot',
    what: 'for the first time, when it is empty,',
    request: { ...sender, ...name, epoch: 5, fromPage: 0, maxBytes: 1 },
    answer: { index: 0, epoch: 0, header: bytes(0), pageIds: [], pages: [] },
  },
  {
    method: 'readBatches',
    request: { ...sender, ...name, epoch: 5, first: 100, end: 900, maxBytes: 4_096 },
    answer: { entries: entries.filter(({ kind }) => kind === 'messages') },
  },
  {
    method: 'readBatches',
    what: 'where there are none',
    request: { ...sender, ...name, epoch: 0, first: 0, end: 0, maxBytes: 0 },
    answer: { entries: [] },
  },
  {
    method: 'update',
    request: {
      ...sender,
      to,
      term: 12,
      sequence: 3,
      documents: [
        { path: '/topics/‘orders’', version: 4, text: '{"id":"t","name":"\\u0000\\""}' },
        { path: '/members/mq-3', version: 0, text: undefined },
      ],
    },
    answer: { removed: ['0123456789abcdef', 'another'] },
  },
  {
    method: 'report',
    request: { ...sender, documents: [{ path: '/partitions/t/0', version: 7, text: '{}' }] },
    answer: undefined,
  },
  {
    method: 'command',
    what: 'to drain',
    request: { ...sender, command: { type: 'drain', broker: 'mq-3' } },
    answer: { type: 'planned', moves: 12 },
  },
  {
    method: 'command',
    what: 'to elect whoever is there',
    request: { ...sender, command: { type: 'electUnclean', ...name, broker: undefined } },
    answer: { type: 'elected', leader: 'mq-2', epoch: 9, lost: ['mq-1'] },
  },
  { method: 'handOver', request: { ...sender, ...name, epoch: 5, to }, answer: undefined },
  { method: 'append', request: { ...sender, ...name, records: bytes(300) }, answer: undefined },
  {
    method: 'append',
    what: 'of nothing',
    request: { ...sender, ...name, records: bytes(0) },
    answer: undefined,
  },
]
