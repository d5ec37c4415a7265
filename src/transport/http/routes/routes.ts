import type { Route } from '../route.js'
import { clusterRoutes } from './cluster.js'
import { consumeRoutes } from './consume.js'
import { groupRoutes } from './groups.js'
import { healthRoutes } from './health.js'
import { lockRoutes } from './locks.js'
import { metricsRoutes } from './metrics.js'
import { publishRoutes } from './publish.js'
import { readRoutes } from './read.js'
import { topicRoutes } from './topics.js'

/** Everything that a broker serves. */
export const serviceRoutes: readonly Route[] = [
  ...publishRoutes,
  ...consumeRoutes,
  ...readRoutes,
  ...topicRoutes,
  ...groupRoutes,
  ...lockRoutes,
  ...clusterRoutes,
  ...metricsRoutes,
  ...healthRoutes,
]
