import { checkName } from '../../../core/names.js'
import type { ClusterChange } from '../../../protocol/cluster.js'
import { json } from '../exchange.js'
import type { Answer, Route } from '../route.js'
import type { Schema } from '../schema.js'
import { CLUSTER, ELECTED, MOVES, PLACEMENT } from './answer-schemas.js'
import { answer, COUNT, JSON_TYPE, record } from './schemas.js'

const tag = 'Cluster'
const TEXT = { type: 'string', maxLength: 255 } as const

const ONE_BROKER: Schema = {
  ...record({ broker: { ...TEXT, description: 'The id of a broker.' } }),
  examples: [{ broker: '49471718a0c7354e' }],
}

export const clusterRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/cluster',
    id: 'describeCluster',
    tag,
    summary: 'The brokers, the controller, and how much there is.',
    description: 'Callers that may not administer all topics learn where brokers are, and nothing else.',
    answers: { 200: answer('The cluster.', CLUSTER) },
    handle: async ({ service, call }) => json(await service.describeCluster(call)),
  },
  {
    method: 'GET',
    path: '/cluster/partitions',
    id: 'describePlacement',
    tag,
    summary: 'Where partitions are, and how far their replicas.',
    query: { topic: { ...TEXT, description: 'Default: all topics.' } },
    answers: {
      200: answer('The partitions.', record({ partitions: { type: 'array', items: PLACEMENT } })),
    },
    async handle({ service, query, call }) {
      const topic = query.topic === undefined ? undefined : checkName('topic', query.topic as string)
      return json({ partitions: await service.describePlacement({ topic }, call) })
    },
  },
  change(
    'rebalance',
    'rebalanceCluster',
    'Spreads replicas and leaders evenly over the brokers that live, a few at a time.',
    undefined,
    answer('How much is left.', MOVES),
  ),
  change(
    'drain',
    'drainBroker',
    'Moves all replicas off a broker, a few at a time, and lets none come to it.',
    ONE_BROKER,
    answer('How much is left.', MOVES),
  ),
  change(
    'undrain',
    'undrainBroker',
    'Lets replicas come to a broker again.',
    ONE_BROKER,
    answer('How much is left.', MOVES),
  ),
  change(
    'forget',
    'forgetBroker',
    'Strikes a broker off the list that will never come back, and has no partitions any more.',
    ONE_BROKER,
    answer('Nothing.', record({})),
  ),
  change(
    'elect-unclean',
    'electUnclean',
    'Lets a replica lead that may lack acknowledged messages: those are then lost.',
    {
      ...record(
        { topic: TEXT, partition: COUNT, broker: { ...TEXT, description: 'Default: the first that lives.' } },
        ['broker'],
      ),
      examples: [{ topic: 'orders', partition: 0 }],
    },
    answer('The new leader.', ELECTED),
  ),
]

/** What the controller does; each kind of change has a path. */
function change(
  type: ClusterChange['type'],
  id: string,
  summary: string,
  body: Schema | undefined,
  done: Answer,
): Route {
  return {
    method: 'POST',
    path: `/cluster/${type}`,
    id,
    tag,
    summary,
    ...(body === undefined ? {} : { body: { [JSON_TYPE]: body } }),
    answers: { 200: done },
    async handle(context) {
      const asked = body === undefined ? {} : ((await context.json()) as object)
      return json(await context.service.changeCluster({ ...asked, type } as ClusterChange, context.call))
    },
  }
}
