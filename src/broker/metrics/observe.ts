import type { EntryBody, Grant, SettleItem } from '../../core/entry-body.js'
import { countRanges } from '../../core/ranges.js'
import type { DeliveredBatch } from '../../protocol/service.js'
import { diagnostics } from '../../runtime/diagnostics.js'
import type { TopicView } from '../host.js'

// The one place that counts what happens in partitions, and tells whoever listens. Counting is a few additions for each
// batch, never for each message; telling costs nothing while nobody listens.

/** Where it happened. */
export interface Scene {
  readonly host: { readonly brokerId: string }
  readonly topic: TopicView
  readonly partition: number
}

/** Entries are committed. */
export function observeCommitted(scene: Scene, bodies: readonly EntryBody[]): void {
  for (const body of bodies) {
    if (body.kind === 'messages') {
      scene.topic.counters.published += body.header.count
      scene.topic.counters.publishedBytes += body.bytes
    } else if (body.kind === 'settle') {
      for (const item of body.items) observeSettled(scene, item)
    }
  }
}

/** A consumer was given what an acquire granted. */
export function observeDelivered(scene: Scene, grant: Grant, batches: readonly DeliveredBatch[]): void {
  const { group, consumer } = grant
  const messages = countRanges(grant.ranges)
  let again = 0
  for (const { deliveryCounts } of batches) again += deliveryCounts.length / 2
  const counters = scene.topic.counters.group(group)
  counters.delivered += messages
  counters.redelivered += again
  if (diagnostics.deliver.hasSubscribers)
    diagnostics.deliver.publish({ ...place(scene, group, messages), consumer })
  if (again > 0 && diagnostics.redelivery.hasSubscribers)
    diagnostics.redelivery.publish(place(scene, group, again))
}

export function observeExpired(scene: Scene, group: string, messages: number): void {
  scene.topic.counters.group(group).expired += messages
  if (diagnostics.expiry.hasSubscribers) diagnostics.expiry.publish(place(scene, group, messages))
}

function observeSettled(scene: Scene, { group, change, ranges }: SettleItem): void {
  if (change.type === 'extended') return
  const messages = countRanges(ranges)
  const counters = scene.topic.counters.group(group)
  if (change.type === 'dead') {
    counters.deadLettered += messages
    if (diagnostics.deadLetter.hasSubscribers) diagnostics.deadLetter.publish(place(scene, group, messages))
    return
  }
  counters.settled[change.type] += messages
  if (diagnostics.settle.hasSubscribers)
    diagnostics.settle.publish({ ...place(scene, group, messages), outcome: change.type })
}

function place({ host, topic, partition }: Scene, group: string, messages: number) {
  return { broker: host.brokerId, topic: topic.name, partition, group, messages }
}
