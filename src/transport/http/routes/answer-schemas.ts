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

const FLAG: Schema = { type: 'boolean' }
const BROKERS: Schema = { type: 'array', items: { ...TEXT, description: 'The id of a broker.' } }

/** How much there is, and who decides, only those see who may administer all topics. */
export const CLUSTER = record(
  {
    clusterId: TEXT,
    brokers: {
      type: 'array',
      items: record(
        {
          id: TEXT,
          url: { ...TEXT, description: 'Missing: its own process reaches it, or it is away.' },
          alive: { ...FLAG, description: 'Missing, as what follows: the broker is alone.' },
          leaving: { ...FLAG, description: 'It is being stopped: what it leads goes to others.' },
          full: {
            ...FLAG,
            description: 'Its disk is nearly full and it takes no messages: others lead what they can.',
          },
          stalled: {
            ...FLAG,
            description:
              'So little is left of it that no messages are copied of what others lead: its replicas fall behind.',
          },
          drained: { ...FLAG, description: 'Its replicas go to others, and none come to it.' },
          rack: TEXT,
          generation: { ...COUNT, description: 'Its starts and sessions, counted.' },
          leaders: { ...COUNT, description: 'Partitions that it leads.' },
          replicas: { ...COUNT, description: 'Partitions that it has a replica of, or gets one.' },
        },
        [
          'url',
          'alive',
          'leaving',
          'full',
          'stalled',
          'drained',
          'rack',
          'generation',
          'leaders',
          'replicas',
        ],
      ),
    },
    topics: COUNT,
    partitions: COUNT,
    storage: record(
      {
        usedBytes: COUNT,
        freeBytes: {
          anyOf: [COUNT, { type: 'null' }],
          description: 'null: nothing limits it, as in memory.',
        },
        reusableBytes: {
          ...COUNT,
          description:
            'Part of usedBytes: free inside, filled first, and given back while the disk is short.',
        },
      },
      ['reusableBytes'],
    ),
    controller: {
      ...record({ id: TEXT, term: COUNT }),
      description: 'The broker that decides. Missing: none does now, or the broker is alone.',
    },
    coordination: record({
      reachable: { ...FLAG, description: 'Whether the session of the broker that answers lives.' },
    }),
  },
  ['topics', 'partitions', 'storage', 'controller', 'coordination'],
)

export const PLACEMENT = record(
  {
    topic: TEXT,
    partition: COUNT,
    leader: { ...TEXT, description: 'Missing: nobody can lead it now.' },
    epoch: COUNT,
    replicas: { ...BROKERS, description: 'In the order of preference: the first leads when it can.' },
    inSync: BROKERS,
    target: { ...BROKERS, description: 'While it is moving: what `replicas` shall be.' },
    minInSync: COUNT,
    log: {
      ...record({
        end: { ...COUNT, description: 'The index of the next entry.' },
        highWatermark: { ...COUNT, description: 'All entries below are committed.' },
        followers: {
          type: 'array',
          items: record(
            {
              id: TEXT,
              lag: { ...COUNT, description: 'Entries not confirmed. Missing: not heard in this epoch.' },
            },
            ['lag'],
          ),
        },
      }),
      description: 'Of its leader. Missing: that does not answer.',
    },
  },
  ['leader', 'target', 'log'],
)

export const MOVES = record({
  moves: { ...COUNT, description: 'Partitions that are still to move; asking again tells what is left.' },
})

export const ELECTED = record({
  leader: TEXT,
  epoch: COUNT,
  lost: { ...BROKERS, description: 'Those that may have had more; empty: nothing was lost.' },
})

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
