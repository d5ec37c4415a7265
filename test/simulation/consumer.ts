import { isPortalError } from '../../src/core/errors.js'
import { RecordBatchView } from '../../src/core/record-batch-view.js'
import type { Delivery, JoinedGroup, Settlement, SettleOutcome } from '../../src/protocol/service.js'
import { offsetsOf, rangesOf } from '../unit/queue-model/rig.js'
import type { ClientWorld } from './client-world.js'
import { tokenName } from './group-audit.js'
import type { Call } from './link.js'
import { findTopic } from './producer.js'
import { check } from './violation.js'

export interface ConsumerOptions {
  readonly name: string
  readonly topic: string
  readonly group: string
  readonly local: boolean
}

/** What a settlement's outcome may have become in the log. */
const BECOMES: Record<SettleOutcome, readonly string[]> = {
  ack: ['acked'],
  nack: ['retry', 'rejected', 'discarded'],
  reject: ['rejected', 'discarded'],
  release: ['released'],
  extend: [],
}

/** A consumer that acks, fails, rejects, extends, gives back, falls silent, dies and comes back under another name. */
export async function runConsumer(
  world: ClientWorld,
  call: Call,
  options: ConsumerOptions,
  goesOn: () => boolean,
): Promise<void> {
  const { scheduler, auditor } = world
  const route = await findTopic(world, call, options.topic, goesOn)
  if (!route) return
  const { topicId } = route
  let joined: JoinedGroup | undefined
  let life = 0
  let number = 0
  while (goesOn()) {
    const consumer = `${options.name}.${life}`
    try {
      joined ??= await call(
        'joinGroup',
        {
          topic: options.topic,
          group: options.group,
          settings: world.settingsOf(options.group),
          create: true,
        },
        1_000,
      )
      const { generation } = joined
      const wait = scheduler.whole(0, 1_500) * world.pace
      const request = {
        topicId,
        group: options.group,
        generation,
        consumer,
        lease: scheduler.whole(200, 1_500),
        maxMessages: scheduler.whole(1, scheduler.chance(0.3) ? 50 : 8),
        maxBytes: scheduler.pick([100, 2_000, 1_000_000]),
        wait,
      }
      const { deliveries } = await call('receive', request, wait + 200 + scheduler.whole(0, 500))
      for (const delivery of deliveries) {
        believe(delivery)
        if (await handle(delivery, generation, consumer)) continue
        life++
        break
      }
      if (scheduler.chance(0.1)) await scheduler.sleep(scheduler.random() * 500)
    } catch (error) {
      if (!isPortalError(error)) throw error
      if (error.code === 'GROUP_NOT_FOUND' || error.code === 'TOPIC_NOT_FOUND') joined = undefined
      if (options.local && !goesOn()) return
      await scheduler.sleep(scheduler.random() * 200)
    }
  }

  /** What is delivered is in the log, committed, with this value. */
  function believe(delivery: Delivery): void {
    const log = `${topicId}/${delivery.partition}`
    const token = tokenName(delivery.token)
    for (const { baseOffset, records, ranges } of delivery.batches) {
      const view = new RecordBatchView(records)
      for (const offset of offsetsOf(ranges)) {
        world.count('delivered', 1)
        auditor.promise({ type: 'stored', log, offset, value: view.valueText(offset - baseOffset) })
        const written = auditor.isLeased(log, token)
        check(written, () => `[10] ${log} ${offset} was delivered under ${token}, which is not in the log`)
      }
    }
  }

  /** False: it died over it. */
  async function handle(delivery: Delivery, generation: number, consumer: string): Promise<boolean> {
    const offsets = delivery.batches.flatMap(({ ranges }) => offsetsOf(ranges))
    const plan = world.healing ? 'ack' : choosePlan()
    if (plan === 'die') return false
    if (plan === 'silence') return true
    if (plan === 'slow') await scheduler.sleep(scheduler.random() * 2_500)
    if (plan === 'extend') {
      await settle(delivery, generation, consumer, [
        { outcome: 'extend', offsets, delay: scheduler.whole(100, 2_000) },
      ])
      await scheduler.sleep(scheduler.random() * 1_000)
    }
    if (plan !== 'mixed') {
      await settle(delivery, generation, consumer, [{ outcome: 'ack', offsets }])
      return true
    }
    const parts = new Map<SettleOutcome, number[]>()
    for (const offset of offsets) {
      const outcome = scheduler.pick(['ack', 'ack', 'nack', 'nack', 'reject', 'release'] as const)
      parts.set(outcome, [...(parts.get(outcome) ?? []), offset])
    }
    const delay = scheduler.chance(0.5) ? scheduler.whole(0, 800) : undefined
    await settle(
      delivery,
      generation,
      consumer,
      [...parts].map(([outcome, offsets]) => ({
        outcome,
        offsets,
        delay: outcome === 'nack' ? delay : undefined,
      })),
    )
    return true
  }

  function choosePlan(): 'ack' | 'mixed' | 'extend' | 'slow' | 'silence' | 'die' {
    const dice = scheduler.random()
    if (dice < 0.4) return 'ack'
    if (dice < 0.7) return 'mixed'
    if (dice < 0.8) return 'extend'
    if (dice < 0.9) return 'slow'
    return dice < 0.95 ? 'silence' : 'die'
  }

  /** Repeats the numbered request until it is answered, and believes the answer. */
  async function settle(
    { partition, token }: Delivery,
    generation: number,
    consumer: string,
    parts: readonly {
      readonly outcome: SettleOutcome
      readonly offsets: readonly number[]
      readonly delay?: number | undefined
    }[],
  ): Promise<void> {
    const settlements: Settlement[] = parts.map(({ outcome, offsets, delay }) => ({
      partition,
      token,
      outcome,
      ranges: rangesOf(offsets),
      delay,
      reason: 'because',
    }))
    const request = { topicId, group: options.group, generation, consumer, number: ++number, settlements }
    for (;;) {
      if (!goesOn()) return
      try {
        const { lost } = await call('settle', request, scheduler.whole(50, 1_000))
        parts.forEach(({ outcome, offsets }, at) =>
          learn(partition, token, generation, outcome, offsets, lost[at]!),
        )
        return
      } catch (error) {
        if (!isPortalError(error)) throw error
        // The group was deleted or moved, or this process is gone.
        if (error.code === 'GROUP_NOT_FOUND' || (options.local && !goesOn())) return
      }
      await scheduler.sleep(scheduler.random() * 100)
    }
  }

  function learn(
    partition: number,
    lease: Delivery['token'],
    generation: number,
    outcome: SettleOutcome,
    offsets: readonly number[],
    lost: readonly number[],
  ): void {
    const log = `${topicId}/${partition}`
    const token = tokenName(lease)
    const gone = new Set(offsetsOf(lost))
    const group = auditor.audit(log).groups.get(options.group)
    for (const offset of offsets) {
      if (!gone.has(offset)) {
        if (outcome === 'extend') continue
        world.count(outcome, 1)
        world.tempt()
        auditor.promise({
          type: 'settled',
          log,
          group: options.group,
          generation,
          token,
          offset,
          how: BECOMES[outcome],
        })
        continue
      }
      world.count('lost', 1)
      if (group?.generation !== generation || outcome === 'extend') continue
      // Nobody else could have ended it so: the answer contradicts what was done on this very request.
      const how = group.ended.get(`${token} ${offset}`)
      const own = how === 'acked' && outcome === 'ack'
      check(
        !own,
        () => `[18] ${log} ${offset}: the ack under ${token} is in the log, and was answered as lost`,
      )
    }
  }
}
