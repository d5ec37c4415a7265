import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import type { MetricFamily } from '../../protocol/metrics.js'

/** How often the monitor's timer should fire (ms): what an idle process reads. */
const RESOLUTION = 10

/** Begun by the first who asks: a process that nobody measures pays nothing. */
let monitor: IntervalHistogram | undefined

/** What is true of the whole process. The event loop's delay is that since the last time somebody asked. */
export function processMetrics(): readonly MetricFamily[] {
  const { user, system } = process.cpuUsage()
  return [
    ...eventLoopDelay(),
    gauge('process_resident_memory_bytes', 'Memory of the process.', process.memoryUsage.rss()),
    {
      name: 'process_cpu_seconds_total',
      help: 'Time of the processor, of all threads.',
      type: 'counter',
      samples: [{ labels: {}, value: (user + system) / 1e6 }],
    },
    gauge(
      'process_start_time_seconds',
      'When the process began, in seconds since the Unix epoch.',
      Math.floor(performance.timeOrigin / 1_000),
    ),
  ]
}

function eventLoopDelay(): MetricFamily[] {
  if (!monitor) {
    monitor = monitorEventLoopDelay({ resolution: RESOLUTION })
    monitor.enable()
  }
  const seconds = (nanoseconds: number) =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e6 - RESOLUTION) / 1e3 : 0
  const { mean, max } = monitor
  const late = monitor.percentile(99)
  monitor.reset()
  const since = 'How late the event loop ran its timers since the last scrape'
  return [
    gauge('portal_mq_event_loop_delay_seconds', `${since}: the mean.`, seconds(mean)),
    gauge('portal_mq_event_loop_delay_p99_seconds', `${since}: the 99th percentile.`, seconds(late)),
    gauge('portal_mq_event_loop_delay_max_seconds', `${since}: the most.`, seconds(max)),
  ]
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ labels: {}, value }] }
}
