import { json } from '../exchange.js'
import { processMetrics } from '../process-metrics.js'
import { formatPrometheus, PROMETHEUS_TYPE } from '../prometheus.js'
import type { Route } from '../route.js'
import { JSON_TYPE, record } from './schemas.js'

const FAMILIES = record({
  families: {
    type: 'array',
    items: record({
      name: { type: 'string' },
      help: { type: 'string' },
      type: { enum: ['counter', 'gauge', 'histogram'] },
      samples: {
        type: 'array',
        items: record(
          {
            suffix: { type: 'string' },
            labels: { type: 'object', additionalProperties: { type: 'string' } },
            value: { type: 'number' },
          },
          ['suffix'],
        ),
      },
    }),
  },
})

export const metricsRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/metrics',
    id: 'metrics',
    tag: 'Operations',
    summary: 'What the broker counts and measures, for Prometheus.',
    query: { format: { enum: ['text', 'json'], description: 'Default: text, as Prometheus reads it.' } },
    answers: {
      200: {
        description: 'The metrics.',
        content: { 'text/plain': { type: 'string' }, [JSON_TYPE]: FAMILIES },
      },
    },
    async handle(context) {
      const { service, call, query } = context
      const families = [
        ...(await service.metrics(call)),
        ...(await context.serverMetrics()),
        ...processMetrics(),
      ]
      if (query.format === 'json') return json({ families })
      return {
        status: 200,
        headers: { 'content-type': PROMETHEUS_TYPE },
        body: formatPrometheus(families),
      }
    },
  },
]
