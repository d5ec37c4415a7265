import { MESSAGE_OUTPUT } from '../message-json.js'
import type { Schema } from '../schema.js'
import { PROBLEM, record } from './schemas.js'

const COUNT: Schema = { type: 'integer', minimum: 0 }
const TEXT: Schema = { type: 'string' }
const TIME: Schema = { type: 'string', format: 'date-time' }
const BROKER = record({ id: TEXT, url: { ...TEXT, description: 'Missing: its own process reaches it.' } }, [
  'url',
])

const TOPIC_CONFIG = record({
  partitions: COUNT,
  replicas: COUNT,
  minInSync: COUNT,
  retention: record(
    {
      after: { ...COUNT, description: 'Milliseconds that a settled message is kept.' },
      age: { ...COUNT, description: 'Milliseconds after which any message goes. Missing: never.' },
      bytes: { ...COUNT, description: 'Bytes per partition. Missing: no limit.' },
    },
    ['age', 'bytes'],
  ),
  maxMessageBytes: COUNT,
  dedupe: record({ window: { ...COUNT, description: 'Milliseconds.' }, ids: COUNT }),
})

const PARTITION = record(
  {
    partition: COUNT,
    leader: BROKER,
    epoch: COUNT,
    replicas: { type: 'array', items: TEXT },
    inSync: { type: 'array', items: TEXT },
    firstOffset: { ...COUNT, description: 'The oldest message that is stored, or `nextOffset`.' },
    nextOffset: { ...COUNT, description: 'The offset that the next message will get.' },
    messages: { ...COUNT, description: 'How many are stored.' },
    bytes: COUNT,
  },
  ['leader'],
)

export const TOPIC_SUMMARY = record({ name: TEXT, id: TEXT, partitions: COUNT })

export const TOPIC = record({
  name: TEXT,
  id: TEXT,
  createdAt: TIME,
  config: TOPIC_CONFIG,
  partitions: { type: 'array', items: PARTITION },
})

export const ROUTE = record(
  {
    topicId: TEXT,
    name: TEXT,
    partitions: COUNT,
    maxMessageBytes: COUNT,
    leaders: {
      type: 'array',
      items: { anyOf: [TEXT, { type: 'null' }] },
      description:
        'The id of the broker that leads each partition; null: none does now. Missing: the broker is alone.',
    },
    brokers: {
      type: 'array',
      items: record({ id: TEXT, url: TEXT }),
      description: 'Where the leaders are reached.',
    },
  },
  ['leaders', 'brokers'],
)

export const GROUP_IN_FORCE = record({
  order: { enum: ['none'] },
  maxDeliveries: COUNT,
  backoff: record({
    initial: { type: 'number', description: 'Milliseconds.' },
    max: { type: 'number', description: 'Milliseconds.' },
    factor: { type: 'number' },
    jitter: { type: 'number' },
  }),
  deadLetter: {
    anyOf: [TEXT, { enum: [false] }],
    description: 'The topic of the dead; false: they are discarded.',
  },
})

const GROUP_PARTITION = record(
  {
    partition: COUNT,
    floor: { ...COUNT, description: 'Every message below is settled.' },
    lag: { ...COUNT, description: 'Messages not yet settled.' },
    inFlight: { ...COUNT, description: 'Messages under a lease.' },
    retrying: { ...COUNT, description: 'Messages that wait for their next attempt.' },
    dying: { ...COUNT, description: 'Messages on their way to the dead letters.' },
    acked: COUNT,
    deadLettered: COUNT,
    discarded: COUNT,
    expired: COUNT,
    oldestUnsettled: record({ offset: COUNT, appendedAt: TIME }),
    members: { type: 'array', items: TEXT, description: 'Consumers that hold or wait for messages.' },
  },
  ['oldestUnsettled'],
)

export const GROUP_SUMMARY = record({
  name: TEXT,
  topic: TEXT,
  paused: { type: 'boolean' },
  lag: { ...COUNT, description: 'Messages not yet settled, over all partitions.' },
})

export const GROUP = record({
  name: TEXT,
  topic: TEXT,
  createdAt: TIME,
  generation: COUNT,
  paused: { type: 'boolean' },
  settings: GROUP_IN_FORCE,
  partitions: { type: 'array', items: GROUP_PARTITION },
})

export const JOINED = record({
  topicId: TEXT,
  partitions: COUNT,
  generation: { ...COUNT, description: 'Another one after each seek: leases of before are lost.' },
  settings: GROUP_IN_FORCE,
})

export const EXPLANATION = record(
  {
    state: {
      enum: [
        'available',
        'leased',
        'waiting',
        'suspect',
        'dying',
        'settled',
        'dead-lettered',
        'expired',
        'missing',
        'blocked',
      ],
    },
    reason: { ...TEXT, description: 'A sentence.' },
    until: { ...TIME, description: 'When that changes by itself, if it does.' },
  },
  ['until'],
)

const STORAGE = record({
  usedBytes: COUNT,
  freeBytes: {
    anyOf: [COUNT, { type: 'null' }],
    description: 'null: nothing limits it, as in memory.',
  },
})

/** How much there is, only those see who may administer all topics. */
export const CLUSTER = record(
  {
    clusterId: TEXT,
    brokers: { type: 'array', items: BROKER },
    topics: COUNT,
    partitions: COUNT,
    storage: STORAGE,
  },
  ['topics', 'partitions', 'storage'],
)

export const LOCK_GRANT = record({
  token: { ...COUNT, description: 'Higher than that of every holder before: a fencing token.' },
})

export const OFFSET = record({ offset: COUNT })

export const SENT: Schema = record({
  partition: COUNT,
  offset: COUNT,
  timestamp: { type: 'integer', description: 'Milliseconds since the Unix epoch.' },
  duplicate: {
    type: 'boolean',
    description: 'One with this id was stored before: the offset is that one’s.',
  },
})

export const REFUSED: Schema = record({
  error: record({
    code: PROBLEM.properties!.code!,
    detail: { type: 'string' },
    retriable: { type: 'boolean' },
  }),
})

export const RECEIVED: Schema = {
  ...MESSAGE_OUTPUT,
  required: [...(MESSAGE_OUTPUT.required ?? []), 'deliveryCount', 'lease'],
  properties: {
    ...MESSAGE_OUTPUT.properties,
    deliveryCount: { type: 'integer', description: '1 for the first delivery to this group.' },
    lease: { type: 'string', description: 'What settling it takes.' },
  },
}

export const LOST: Schema = {
  ...PROBLEM,
  required: [...(PROBLEM.required ?? []), 'lost'],
  properties: {
    ...PROBLEM.properties,
    lost: { type: 'array', items: { type: 'string' }, description: 'The leases that were lost.' },
  },
}
