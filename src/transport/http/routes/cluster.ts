import { json } from '../exchange.js'
import type { Route } from '../route.js'
import { CLUSTER } from './answer-schemas.js'
import { answer } from './schemas.js'

export const clusterRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/cluster',
    id: 'describeCluster',
    tag: 'Cluster',
    summary: 'The brokers, and how much they hold.',
    description: 'How much they hold is left out for callers that may not administer all topics.',
    answers: { 200: answer('The cluster.', CLUSTER) },
    handle: async ({ service, call }) => json(await service.describeCluster(call)),
  },
]
