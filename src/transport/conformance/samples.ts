import { PortalError } from '../../core/errors.js'
import type { GroupDescription, GroupSettings } from '../../protocol/groups.js'
import type { BrokerService, ReceiveRequest, ReceiveResponse } from '../../protocol/service.js'
import type { TopicDescription } from '../../protocol/topics.js'
import { bytes } from './support.js'

/** A call: its request and its answer as they must be at the other end. */
export interface Sample {
  readonly method: keyof BrokerService
  /** What is special about it. */
  readonly what?: string
  /** Undefined: the method takes none. */
  readonly request?: object
  readonly answer: unknown
}

const settings: GroupSettings = {
  order: 'none',
  maxDeliveries: 7,
  backoff: { initial: 0, max: 2.5, factor: 1, jitter: 0.25 },
  deadLetter: false,
}

const topic: TopicDescription = {
  name: 'orders',
  id: '0123456789abcdef',
  createdAt: new Date(1_700_000_000_123),
  config: {
    partitions: 2,
    replicas: 1,
    minInSync: 1,
    retention: { after: 0, age: 86_400_000 },
    maxMessageBytes: 1 << 20,
    dedupe: { window: 600_000, ids: 1_000_000 },
  },
  partitions: [
    {
      partition: 0,
      leader: { id: 'a', url: undefined },
      epoch: 3,
      replicas: ['a'],
      inSync: ['a'],
      firstOffset: 0,
      nextOffset: Number.MAX_SAFE_INTEGER,
      messages: 0,
      bytes: 0,
    },
    {
      partition: 1,
      leader: undefined,
      epoch: 4,
      replicas: [],
      inSync: [],
      firstOffset: 1,
      nextOffset: 2,
      messages: 1,
      bytes: 99,
    },
  ],
}

const described: GroupDescription = {
  name: 'billing',
  topic: 'orders',
  createdAt: new Date(0),
  generation: 2,
  paused: true,
  settings: { ...settings, deadLetter: 'orders.dead' },
  partitions: [
    {
      partition: 0,
      floor: 5,
      lag: 6,
      inFlight: 1,
      retrying: 2,
      dying: 3,
      acked: 4,
      deadLettered: 5,
      discarded: 6,
      expired: 7,
      oldestUnsettled: { offset: 5, appendedAt: new Date(1_700_000_000_999) },
      members: ['c-1', 'c-2'],
    },
    {
      partition: 1,
      floor: 0,
      lag: 0,
      inFlight: 0,
      retrying: 0,
      dying: 0,
      acked: 0,
      deadLettered: 0,
      discarded: 0,
      expired: 0,
      oldestUnsettled: undefined,
      members: [],
    },
  ],
}

export const receiveRequest: ReceiveRequest = {
  topicId: topic.id,
  group: 'billing',
  generation: 2,
  consumer: 'c-1',
  lease: 30_000,
  maxMessages: 10,
  maxBytes: 1 << 20,
  wait: 0,
}

export const received: ReceiveResponse = {
  deliveries: [
    {
      partition: 3,
      token: { epoch: 1, index: Number.MAX_SAFE_INTEGER, slot: 0 },
      batches: [
        {
          baseOffset: 100,
          records: bytes(40),
          ranges: [100, 103, 107, 108],
          deliveryCounts: [101, 2, 107, 5],
        },
        { baseOffset: 200, records: bytes(1), ranges: [200, 201], deliveryCounts: [] },
      ],
    },
    { partition: 4, token: { epoch: 2, index: 9, slot: 8 }, batches: [] },
  ],
}

const group = { topic: 'orders', group: 'billing' }
const settleRequest = { topicId: topic.id, group: 'billing', generation: 2, consumer: 'c-1' }
const token = { epoch: 7, index: 8, slot: 9 }

export const samples: readonly Sample[] = [
  {
    method: 'produce',
    request: {
      acks: 'leader',
      batches: [
        { topicId: topic.id, partition: 0, records: bytes(33) },
        // A view on more: nothing else of it may travel.
        { topicId: 'fedcba9876543210', partition: 9_999, records: bytes(100).subarray(10, 20) },
      ],
    },
    answer: {
      results: [
        { runs: [2, 100, 0, 1, 17, 1] },
        { error: new PortalError('TOPIC_NOT_FOUND', 'Topic ‘fedc…’ is gone.') },
      ],
    },
  },
  {
    method: 'joinGroup',
    what: 'with every setting',
    request: { ...group, settings, from: { time: 1_700_000_000_123 }, create: false },
    answer: { topicId: topic.id, partitions: 2, generation: 1, settings },
  },
  {
    method: 'joinGroup',
    what: 'with no setting',
    request: { ...group, settings: {}, from: 'latest', create: true },
    answer: { topicId: topic.id, partitions: 2, generation: 1, settings: described.settings },
  },
  { method: 'receive', request: receiveRequest, answer: received },
  {
    method: 'receive',
    what: 'that says which leases are known',
    request: {
      ...receiveRequest,
      wait: 750,
      held: [
        { partition: 3, token },
        { partition: 0, token },
      ],
    },
    answer: { deliveries: [] },
  },
  {
    method: 'receive',
    what: 'that knows no lease',
    request: { ...receiveRequest, held: [] },
    answer: received,
  },
  {
    method: 'addCredit',
    request: { stream: '0123456789abcdef', messages: 2 ** 40, bytes: 0 },
    answer: undefined,
  },
  { method: 'endStream', request: { stream: '0123456789abcdef' }, answer: undefined },
  {
    method: 'settle',
    what: 'with credit for a stream',
    request: {
      ...settleRequest,
      settlements: [{ partition: 0, token, outcome: 'ack', ranges: [0, 1] }],
      credit: { stream: '0123456789abcdef', messages: 300, bytes: 1 << 24 },
    },
    answer: { lost: [[]] },
  },
  {
    method: 'endReceive',
    request: { topicId: topic.id, group: 'billing', consumer: 'c-1', id: 2 ** 40 },
    answer: undefined,
  },
  {
    method: 'settle',
    what: 'in every way',
    request: {
      ...settleRequest,
      number: 2 ** 52,
      settlements: [
        { partition: 0, token, outcome: 'ack', ranges: [0, 5, 9, 10] },
        { partition: 1, token, outcome: 'nack', ranges: [1, 2], delay: 0, reason: 'Büro\n"zu"' },
        { partition: 1, token, outcome: 'nack', ranges: [2, 3], delay: 1_500 },
        { partition: 1, token, outcome: 'reject', ranges: [3, 4], reason: 'x'.repeat(2_000) },
        { partition: 2, token, outcome: 'extend', ranges: [4, 5], delay: 30_000 },
        { partition: 2, token, outcome: 'release', ranges: [5, 6] },
      ],
    },
    answer: { lost: [[], [1, 2], [], [], [4, 5], []] },
  },
  { method: 'settle', what: 'nothing', request: { ...settleRequest, settlements: [] }, answer: { lost: [] } },
  {
    method: 'read',
    request: { topicId: topic.id, partition: 1, offset: 2 ** 40, maxBytes: 1 << 20, wait: 40 },
    answer: {
      batches: [
        { baseOffset: 2 ** 40 - 3, records: bytes(50) },
        { baseOffset: 2 ** 40 + 5, records: bytes(60) },
      ],
      nextOffset: 2 ** 40 + 9,
      endOffset: 2 ** 41,
    },
  },
  ...(['earliest', 'latest', { offset: 17 }, { time: 1_700_000_000_123 }, { time: -1 }] as const).map(
    (at): Sample => ({
      method: 'findOffset',
      what: `at ${JSON.stringify(at)}`,
      request: { topicId: topic.id, partition: 3, at },
      answer: { offset: 12 },
    }),
  ),
  {
    method: 'createTopic',
    request: { name: 'orders', config: { partitions: 2, retention: { after: 0, age: 86_400_000 } } },
    answer: topic,
  },
  {
    method: 'createTopic',
    what: 'with the defaults',
    request: { name: 'a.b_c-D', config: {} },
    answer: topic,
  },
  { method: 'listTopics', answer: [{ name: 'orders', id: topic.id, partitions: 2 }] },
  { method: 'listTopics', what: 'of which there are none', answer: [] },
  {
    method: 'findTopic',
    request: { name: 'orders', create: true, wait: 0 },
    answer: { topicId: topic.id, name: 'orders', partitions: 2, maxMessageBytes: 1 << 20 },
  },
  {
    method: 'findTopic',
    what: 'that is not made',
    request: { name: 'orders', create: false, wait: 300 },
    answer: { topicId: topic.id, name: 'orders', partitions: 2, maxMessageBytes: 1 << 20 },
  },
  { method: 'describeTopic', request: { name: 'orders' }, answer: topic },
  {
    method: 'updateTopic',
    request: {
      name: 'orders',
      patch: { retention: { after: 5, age: null, bytes: 1_000 }, maxMessageBytes: 9, dedupe: { ids: 3 } },
    },
    answer: topic,
  },
  { method: 'addPartitions', request: { name: 'orders', partitions: 12 }, answer: topic },
  { method: 'deleteTopic', request: { name: 'orders' }, answer: undefined },
  {
    method: 'listGroups',
    request: { topic: 'orders' },
    answer: [{ name: 'billing', topic: 'orders', paused: false, lag: 2 ** 33 }],
  },
  { method: 'describeGroup', request: group, answer: described },
  {
    method: 'updateGroup',
    request: { ...group, patch: { maxDeliveries: 1_000, backoff: { jitter: 0 }, deadLetter: false } },
    answer: described,
  },
  { method: 'pauseGroup', request: group, answer: undefined },
  { method: 'resumeGroup', request: group, answer: undefined },
  ...(['earliest', 'latest', { offset: 0 }, { time: 1_700_000_000_123 }] as const).map(
    (to): Sample => ({
      method: 'seekGroup',
      what: `to ${JSON.stringify(to)}`,
      request: { ...group, to },
      answer: undefined,
    }),
  ),
  { method: 'deleteGroup', request: group, answer: undefined },
  {
    method: 'explain',
    request: { ...group, partition: 1, offset: 2 ** 45 },
    answer: { state: 'waiting', reason: 'It failed; it comes back.', until: new Date(1_800_000_000_001) },
  },
  {
    method: 'explain',
    what: 'that ends by no time',
    request: { ...group, partition: 0, offset: 0 },
    answer: { state: 'settled', reason: 'It was acked.', until: undefined },
  },
  {
    method: 'describeCluster',
    answer: {
      clusterId: 'c',
      brokers: [
        { id: 'a', url: undefined },
        { id: 'b', url: 'https://b:5000' },
      ],
      topics: 1,
      partitions: 2,
      storage: { usedBytes: 0, freeBytes: Number.POSITIVE_INFINITY, reusableBytes: 0 },
    },
  },
  {
    method: 'describeCluster',
    what: 'of several brokers',
    answer: {
      clusterId: 'c',
      brokers: [
        {
          id: 'a',
          url: 'http://a:5000',
          alive: true,
          leaving: false,
          full: true,
          stalled: true,
          drained: true,
          rack: 'north',
          generation: 7,
          leaders: 0,
          replicas: 12,
        },
        {
          id: 'b',
          url: undefined,
          alive: false,
          leaving: false,
          drained: false,
          rack: undefined,
          generation: 3,
          leaders: 0,
          replicas: 0,
        },
      ],
      topics: 1,
      partitions: 12,
      storage: { usedBytes: 1, freeBytes: 2 },
      controller: { id: 'a', term: 2 ** 40 },
      coordination: { reachable: false },
    },
  },
  {
    method: 'describePlacement',
    request: { topic: 'orders' },
    answer: [
      {
        topic: 'orders',
        partition: 0,
        leader: 'a',
        epoch: 3,
        replicas: ['a', 'b'],
        inSync: ['a'],
        target: ['b', 'c'],
        minInSync: 2,
        log: { end: 2 ** 50, highWatermark: 7, followers: [{ id: 'b', lag: 4 }, { id: 'c' }] },
      },
    ],
  },
  {
    method: 'describePlacement',
    what: 'of all topics',
    request: {},
    answer: [
      {
        topic: 'orders',
        partition: 1,
        leader: undefined,
        epoch: 0,
        replicas: ['a'],
        inSync: [],
        target: undefined,
        minInSync: 1,
        log: undefined,
      },
    ],
  },
  { method: 'changeCluster', request: { type: 'rebalance' }, answer: { moves: 10_000 } },
  { method: 'changeCluster', request: { type: 'drain', broker: '00ff' }, answer: { moves: 1 } },
  { method: 'changeCluster', request: { type: 'undrain', broker: '00ff' }, answer: { moves: 0 } },
  { method: 'changeCluster', request: { type: 'forget', broker: '00ff' }, answer: {} },
  {
    method: 'changeCluster',
    request: { type: 'elect-unclean', topic: 'orders', partition: 3, broker: 'b' },
    answer: { leader: 'b', epoch: 9, lost: ['a'] },
  },
  {
    method: 'changeCluster',
    request: { type: 'elect-unclean', topic: 'orders', partition: 0 },
    answer: { leader: 'b', epoch: 9, lost: [] },
  },
  {
    method: 'acquireLock',
    request: { name: 'nightly', ttl: 10_000, wait: 0 },
    answer: { token: 2 ** 50 },
  },
  {
    method: 'acquireLock',
    what: 'that somebody else has',
    request: { name: 'nightly', ttl: 10_000, wait: 200 },
    answer: undefined,
  },
  { method: 'renewLock', request: { name: 'nightly', token: 7 }, answer: undefined },
  { method: 'releaseLock', request: { name: 'nightly', token: 7 }, answer: undefined },
]
