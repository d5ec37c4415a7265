import { isPortalError } from '../../src/core/errors.js'
import type { ClusterWorld } from './cluster-world.js'
import type { Call } from './link.js'
import { check } from './violation.js'

/** Where dead letters go that do not go to the topic of their own. */
const GRAVES = 'graves'

/**
 * Changes topics and groups while they are used, deletes topics of dead letters, and looks at what there is. Whoever makes a broker wait for a change waits
 * until it is in force there, so that others follow it late.
 */
export async function runClusterAdministrator(world: ClusterWorld, call: Call): Promise<void> {
  const { scheduler } = world
  while (!world.healing) {
    await scheduler.sleep(scheduler.random() * scheduler.pick([500, 10_000]))
    if (world.healing) return
    const [what, work] = scheduler.pick(WORKS)
    try {
      await work(world, call)
      world.count(what, 1)
    } catch (error) {
      if (!isPortalError(error)) throw error
      world.trace.line(`administrator: ${what}: ${error.code} ${error.message}`)
      const isThere = error.code !== 'TOPIC_NOT_FOUND' || what === 'dead letters deleted'
      check(isThere, () => `[11] ${what}: ${error.message}`)
    }
  }
}

type Work = (world: ClusterWorld, call: Call) => Promise<unknown>

const WORKS: readonly (readonly [string, Work])[] = [
  ['topic changed', changePlain],
  ['topic changed', changeBrief],
  ['group changed', changeGroup],
  ['group changed', changeGroup],
  ['dead letters deleted', deleteDeadLetters],
  ['topic described', (_, call) => call('describeTopic', { name: 'plain' }, 5_000)],
  ['placement described', (_, call) => call('describePlacement', { topic: 'plain' }, 5_000)],
  ['groups listed', (_, call) => call('listGroups', { topic: 'plain' }, 5_000)],
]

async function changePlain({ scheduler }: ClusterWorld, call: Call): Promise<unknown> {
  const retention = { after: scheduler.pick([0, 1_000, 20_000]) }
  const dedupe = { window: scheduler.pick([20_000, 60_000]), ids: scheduler.pick([50, 200]) }
  return call('updateTopic', { name: 'plain', patch: { retention, dedupe } }, 10_000)
}

async function changeBrief({ scheduler }: ClusterWorld, call: Call): Promise<unknown> {
  const retention = { age: scheduler.pick([null, 10_000, 60_000]), bytes: scheduler.pick([4_000, 20_000]) }
  return call('updateTopic', { name: 'brief', patch: { retention } }, 10_000)
}

async function changeGroup({ scheduler }: ClusterWorld, call: Call): Promise<unknown> {
  const group = scheduler.pick(['workers', 'patient'])
  // Of who has once discarded them the audit cannot tell what is missing.
  const choices = ['plain.dead', GRAVES, ...(group === 'patient' ? [false as const] : [])]
  const patch = { deadLetter: scheduler.pick(choices) }
  return call('updateGroup', { topic: 'plain', group, patch }, 10_000)
}

async function deleteDeadLetters({ scheduler }: ClusterWorld, call: Call): Promise<unknown> {
  return call('deleteTopic', { name: scheduler.pick(['plain.dead', GRAVES]) }, 10_000)
}
