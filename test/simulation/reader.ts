import { isPortalError } from '../../src/core/errors.js'
import { RecordBatchView } from '../../src/core/record-batch-view.js'
import type { ClientWorld } from './client-world.js'
import type { Call } from './link.js'
import { findTopic } from './producer.js'
import { check } from './violation.js'

/** Reads a partition from its start over and over: what was shown once is always shown, or gone for good (invariant 12). */
export async function runReader(
  world: ClientWorld,
  call: Call,
  topic: string,
  partition: number,
  goesOn: () => boolean,
): Promise<void> {
  const { scheduler, auditor } = world
  const route = await findTopic(world, call, topic, goesOn)
  if (!route) return
  const log = `${route.topicId}/${partition}`
  let next = 0
  while (goesOn()) {
    try {
      const wait = scheduler.chance(0.5) ? scheduler.whole(0, 1_000) : 0
      const request = {
        topicId: route.topicId,
        partition,
        offset: next,
        maxBytes: scheduler.whole(1, 5_000),
        wait,
      }
      const { batches, nextOffset, endOffset } = await call('read', request, wait + 500)
      check(nextOffset >= next, () => `${log}: a read from ${next} goes on at ${nextOffset}`)
      for (const { baseOffset, records } of batches) {
        const view = new RecordBatchView(records)
        check(
          baseOffset + view.count <= endOffset,
          () => `[10] ${log}: ${baseOffset} was shown above the end ${endOffset}`,
        )
        for (let at = 0; at < view.count; at++) {
          auditor.promise({ type: 'stored', log, offset: baseOffset + at, value: view.valueText(at) })
        }
      }
      next = scheduler.chance(0.05) ? 0 : nextOffset
    } catch (error) {
      if (!isPortalError(error)) throw error
      // Above the end: never, since what was shown stays.
      check(error.code !== 'OFFSET_OUT_OF_RANGE', () => `[7] ${log}: ${error.message}`)
    }
    await scheduler.sleep(scheduler.random() * 500 * world.pace)
  }
}
