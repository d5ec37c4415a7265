import { crc32 } from 'node:zlib'
import { isPortalError } from '../../src/core/errors.js'
import { RecordBatchBuilder } from '../../src/core/record-batch-builder.js'
import type { TopicRoute } from '../../src/protocol/service.js'
import type { ClientWorld } from './client-world.js'
import type { Call } from './link.js'
import { check } from './violation.js'

export interface ProducerOptions {
  readonly name: string
  readonly topic: string
  readonly partition: number
  readonly local: boolean
  /** Gives some messages an `id`, at times one that was used before. */
  readonly ids: boolean
  /** Milliseconds between batches, at most. */
  readonly pause: number
}

/**
 * An idempotent producer: one batch at a time, the same bytes again until it is answered (invariants 14 and 16). One in the broker's
 * process dies with it; its next life is another producer.
 */
export async function runProducer(
  world: ClientWorld,
  call: Call,
  options: ProducerOptions,
  goesOn: () => boolean,
): Promise<void> {
  const { scheduler } = world
  let epoch = 0
  let sequence = 0
  let life = 0
  let serial = 0
  const route = await findTopic(world, call, options.topic, goesOn)
  if (!route) return
  const log = `${route.topicId}/${options.partition}`
  while (goesOn() && world.producing) {
    await scheduler.sleep(scheduler.random() * options.pause * world.pace)
    const producer = `${options.name}.${life}`
    const builder = new RecordBatchBuilder(crc32)
    const values: string[] = []
    const ids: (string | undefined)[] = []
    for (let left = scheduler.whole(1, 8); left > 0; left--) {
      const value = `${producer}#${serial++}${scheduler.chance(0.02) ? 'x'.repeat(9_000) : ''}`
      const id = options.ids && scheduler.chance(0.5) ? `id${scheduler.whole(0, 300)}` : undefined
      // A batch is full with four long messages: what does not fit is not sent.
      if (!builder.tryAppend({ contentType: 'text', value, timestamp: 0, id })) break
      values.push(value)
      ids.push(id)
    }
    const records = builder.seal(producer, epoch, sequence)
    const runs = await send(records)
    if (!runs) {
      if (!goesOn()) return
      life++
      epoch = 0
      sequence = 0
      continue
    }
    believe(producer, values, ids, runs)
    sequence += values.length
    // A producer may begin anew at any time, under a higher epoch.
    if (scheduler.chance(0.02)) {
      epoch++
      sequence = 0
    }
  }

  /** The answer; undefined when it was refused for good, or its sender died. */
  async function send(records: Uint8Array): Promise<readonly number[] | undefined> {
    for (;;) {
      if (!goesOn()) return undefined
      try {
        const batches = [{ topicId: route!.topicId, partition: options.partition, records }]
        const { results } = await call('produce', { acks: 'all', batches }, scheduler.whole(50, 2_000))
        const result = results[0]!
        if (result.error === undefined) return result.runs
        // An id is forgotten after its window: then a retry cannot be answered, and is refused without being stored.
        check(
          result.error.code !== 'SEQUENCE_REFUSED' || options.ids,
          () => `[14] ${options.name}: ${result.error.message}`,
        )
        if (result.error.code === 'SEQUENCE_REFUSED') return undefined
      } catch (error) {
        if (!isPortalError(error)) throw error
        if (options.local && !goesOn()) return undefined
      }
      await scheduler.sleep(scheduler.random() * 200)
    }
  }

  function believe(
    producer: string,
    values: string[],
    ids: (string | undefined)[],
    runs: readonly number[],
  ): void {
    if (world.auditor.isBuried(log)) return
    let at = 0
    for (let run = 0; run < runs.length; run += 3) {
      for (let i = 0; i < runs[run]!; i++, at++) {
        const offset = runs[run + 1]! + i
        const value = values[at]!
        if (runs[run + 2] === 0) {
          world.auditor.promise({ type: 'stored', log, offset, value })
          world.auditor.sent(log, offset)
          const stored = world.auditor.audit(log).places.get(`${producer} ${epoch} ${sequence + at}`)
          check(
            stored === offset,
            () => `[14] ${value} was answered with ${offset} and is stored at ${stored}`,
          )
          continue
        }
        world.auditor.shown(log, offset)
        const id = world.auditor.audit(log).ids[offset]
        check(
          id !== undefined && id === ids[at],
          () => `[16] ${value} (id ${ids[at]}) was called a duplicate of ${offset} (id ${id})`,
        )
      }
    }
    check(at === values.length, () => `${values.length} messages were sent, ${at} answered`)
    world.count('sent', at)
    world.tempt()
  }
}

/** Asks until the topic is there. */
export async function findTopic(
  world: ClientWorld,
  call: Call,
  name: string,
  goesOn: () => boolean,
): Promise<TopicRoute | undefined> {
  while (goesOn()) {
    try {
      const route = await call('findTopic', { name }, 1_000)
      world.auditor.learn(route.topicId, name)
      return route
    } catch (error) {
      if (!isPortalError(error)) throw error
      await world.scheduler.sleep(100)
    }
  }
  return undefined
}
