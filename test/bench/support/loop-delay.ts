import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How often the monitor's timer should fire (ms): what an idle process reads. */
const RESOLUTION = 1

/**
 * The 99th percentile of the event loop's delay while `work` runs, in ms: how late a timer of the host fired, beside
 * the one millisecond that it asked for.
 */
export async function loopDelay(work: () => Promise<void>): Promise<number> {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION })
  monitor.enable()
  await work()
  monitor.disable()
  return Math.max(0, monitor.percentile(99) / 1e6 - RESOLUTION)
}
