import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PartitionDocument, paths } from '../../src/coordination/documents.js'
import { includesReplica, isSameReplica } from '../../src/core/placement/placed-partition.js'
import { seededRandom } from '../../src/runtime/virtual.js'
import { FakeCluster, type Reported, unreadable } from './controller-support.js'
import { unreliable } from './coordination-support.js'

const BROKERS = ['b0', 'b1', 'b2', 'b3']
const PARTITIONS = 5
const MIN_IN_SYNC = 2

type Event =
  | { readonly type: 'die' | 'start' | 'wipe' | 'reconnect' | 'leave' | 'drain'; readonly broker: number }
  | {
      readonly type: 'inSync'
      readonly partition: number
      readonly broker: number
      readonly reported: Reported
    }
  | { readonly type: 'rebalance' }
  | { readonly type: 'pass'; readonly milliseconds: number }

const broker = fc.nat(BROKERS.length - 1)
const events: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('die' as const), broker }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('start' as const), broker }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('wipe' as const), broker }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constantFrom('reconnect' as const, 'leave' as const), broker }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('drain' as const), broker }) },
  { weight: 1, arbitrary: fc.constant({ type: 'rebalance' as const }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('inSync' as const),
      partition: fc.nat(PARTITIONS - 1),
      broker,
      reported: fc.constantFrom<Reported>('at once', 'late', 'never'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('pass' as const),
      milliseconds: fc.constantFrom(20, 200, 7_000),
    }),
  },
)

async function happen(cluster: FakeCluster, topicId: string, event: Event): Promise<void> {
  const who = 'broker' in event ? cluster.brokers.get(BROKERS[event.broker]!) : undefined
  const inOffice = [...cluster.brokers.values()].find(({ controller }) => controller?.term !== undefined)
  switch (event.type) {
    case 'die':
      if (who?.up) await who.die()
      break
    case 'start':
    case 'wipe':
      if (who && !who.up) {
        const storage = event.type === 'wipe' ? `${who.member.storage}+` : who.member.storage
        await cluster.start(who.id, { storage })
      }
      break
    case 'reconnect':
      if (who?.up) await who.reconnect()
      break
    case 'leave':
      if (who?.up) await cluster.result(who.membership!.setLeaving())
      break
    case 'drain':
      await inOffice?.controller?.command({ type: 'drain', broker: BROKERS[event.broker]! }).catch(() => {})
      break
    case 'rebalance':
      await inOffice?.controller?.command({ type: 'rebalance' }).catch(() => {})
      break
    case 'inSync':
      await changeInSync(cluster, topicId, event)
      break
    case 'pass':
      await cluster.pass(event.milliseconds)
  }
}

/** The leader adds a living replica that was not in sync, or drops one that was: it alone does, and as its rules allow. */
async function changeInSync(
  cluster: FakeCluster,
  topicId: string,
  { partition, broker: at, reported }: Extract<Event, { type: 'inSync' }>,
): Promise<void> {
  const changing = cluster.change(
    topicId,
    partition,
    (document) => {
      const { leader, inSync, replicas, target = [], incarnation } = document
      const leads = cluster.brokers.get(leader!.broker)!
      if (!leads.up || leads.member.generation !== incarnation || leads.member.storage !== leader!.storage)
        return
      const replica = [...replicas, ...target].find((it) => it.broker === BROKERS[at])
      if (replica === undefined || isSameReplica(replica, leader)) return undefined
      if (includesReplica(inSync, replica)) {
        const rest = inSync.filter((it) => !isSameReplica(it, replica))
        return rest.length < MIN_IN_SYNC ? undefined : { ...document, inSync: rest }
      }
      const follows = cluster.brokers.get(replica.broker)!
      const well = follows.up && follows.member.storage === replica.storage
      return well ? { ...document, inSync: [...inSync, replica] } : undefined
    },
    reported,
  )
  // A late report comes when other things have happened.
  if (reported !== 'late') await changing
}

function checkHistory(versions: readonly (PartitionDocument | undefined)[]): void {
  for (let at = 1; at < versions.length; at++) {
    const [before, after] = [versions[at - 1]!, versions[at]!]
    const sameLeader = isSameReplica(before.leader, after.leader) && before.incarnation === after.incarnation
    // Invariant 1: an epoch has one leader, in one life. Invariant 4: who leads had everything.
    expect(after.epoch).toBe(before.epoch + (sameLeader ? 0 : 1))
    if (!sameLeader) expect(before.inSync).toContainEqual(after.leader)
    expect(after.inSync).toContainEqual(after.leader)
    for (const replica of after.inSync) {
      expect([...after.replicas, ...(after.target ?? [])]).toContainEqual(replica)
    }
    expect(after.inSync.length).toBeGreaterThanOrEqual(Math.min(MIN_IN_SYNC, before.inSync.length))
  }
}

describe('a cluster to which anything happens', () => {
  it('elects only who has everything, and ends with everything led and everyone told', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(events, { minLength: 5, maxLength: 40 }),
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.constantFrom(0, 0.2),
        async (all, seed, share) => {
          const cluster = await FakeCluster.open([], {}, seed)
          const random = seededRandom(seed)
          if (share > 0) cluster.wrap = (store) => unreadable(unreliable(store, random, share), random, share)
          for (const id of BROKERS) await cluster.start(id)
          const topic = await cluster.createTopic('orders', {
            partitions: PARTITIONS,
            minInSync: MIN_IN_SYNC,
          })
          for (const event of all) await happen(cluster, topic.id, event)

          // Then all is well again: every broker is started anew, with the database that it had last.
          for (const { id, up } of [...cluster.brokers.values()]) {
            if (up) await cluster.brokers.get(id)!.die()
            await cluster.start(id)
          }
          const settled = async () => {
            const documents = await cluster.partitions(topic)
            return documents.every((document) => {
              const leads = cluster.brokers.get(document.leader!.broker)!.member
              const hasCandidate = document.inSync.some(
                (it) => cluster.brokers.get(it.broker)!.member.storage === it.storage,
              )
              const led =
                leads.storage === document.leader!.storage && leads.generation === document.incarnation
              const path = paths.partition(topic.id, document.partition)
              return (
                (led || !hasCandidate) &&
                [...cluster.brokers.values()].every((it) => it.told(path)?.version === document.version)
              )
            })
          }
          await cluster.until(settled)
          for (const versions of cluster.history.values()) checkHistory(versions)
          expect(cluster.errors).toEqual([])
          for (const { controller } of cluster.brokers.values()) await cluster.result(controller!.close())
        },
      ),
      { numRuns: Number(process.env['PORTAL_MQ_RUNS'] ?? 25) },
    )
  }, 120_000)
})
