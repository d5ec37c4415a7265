import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { electLeader, electUncleanLeader, livingInSync } from '../../src/core/placement/elect-leader.js'
import {
  type ClusterMember,
  canTakeMessages,
  isAlive,
  isLed,
  rackOf,
} from '../../src/core/placement/members-view.js'
import type { Move } from '../../src/core/placement/move-board.js'
import { completionPlan, drainPlan, rebalancePlan } from '../../src/core/placement/move-plans.js'
import { nextPlacement } from '../../src/core/placement/next-placement.js'
import { placeReplicas } from '../../src/core/placement/place-replicas.js'
import {
  includesReplica,
  isSameReplica,
  type PlacedPartition,
  type Replica,
} from '../../src/core/placement/placed-partition.js'
import { preferredMoves } from '../../src/core/placement/preferred-moves.js'
import { Workload } from '../../src/core/placement/workload.js'

const never = () => false

/** Whether it lives, and is not about to leave; a leader hands over before that. */
function stays(
  { leader }: PlacedPartition,
  replica: Replica,
  view: ReadonlyMap<string, ClusterMember>,
): boolean {
  return isAlive(replica, view) && (!view.get(replica.broker)!.leaving || isSameReplica(leader, replica))
}

function cluster(brokers: number, racks = 0): Map<string, ClusterMember> {
  const members = Array.from({ length: brokers }, (_, at): [string, ClusterMember] => {
    const broker = `b${at}`
    const rack = racks > 0 ? `r${at % racks}` : undefined
    return [broker, { broker, storage: `s${at}`, generation: 1, rack }]
  })
  return new Map(members)
}

function place(view: Map<string, ClusterMember>, count: number, replicas: number, topicId = 't') {
  const minInSync = Math.floor(replicas / 2) + 1
  return placeReplicas({ topicId, from: 0, count, replicas, minInSync, view, load: new Workload() })
}

function spread(partitions: readonly PlacedPartition[], view: ReadonlyMap<string, ClusterMember>) {
  const load = Workload.of(partitions)
  const width = (counts: number[]) => Math.max(...counts) - Math.min(...counts)
  const brokers = [...view.keys()]
  return {
    replicas: width(brokers.map((broker) => load.replicas(broker))),
    leads: width(brokers.map((broker) => load.leads.get(broker) ?? 0)),
  }
}

function racksOf(replicas: readonly Replica[], view: ReadonlyMap<string, ClusterMember>) {
  return new Set(replicas.map(({ broker }) => rackOf(view.get(broker)!))).size
}

function applied(partitions: readonly PlacedPartition[], moves: readonly Move[]): PlacedPartition[] {
  return partitions.map((placed) => {
    const move = moves.find((each) => each.partition === placed.partition && each.topicId === placed.topicId)
    if (!move) return placed
    const leader = includesReplica(move.target, placed.leader!) ? placed.leader : move.target[0]!
    return { ...placed, replicas: move.target, inSync: move.target, leader }
  })
}

const sizes = fc
  .record({ brokers: fc.integer({ min: 1, max: 9 }), count: fc.integer({ min: 1, max: 40 }) })
  .chain(({ brokers, count }) =>
    fc.record({
      brokers: fc.constant(brokers),
      count: fc.constant(count),
      replicas: fc.integer({ min: 1, max: Math.min(brokers, 4) }),
    }),
  )

describe('placing new partitions', () => {
  it('spreads replicas and leaders within one', () => {
    fc.assert(
      fc.property(sizes, ({ brokers, count, replicas }) => {
        const view = cluster(brokers)
        const partitions = place(view, count, replicas)
        const { replicas: width, leads } = spread(partitions, view)
        expect(width).toBeLessThanOrEqual(1)
        expect(leads).toBeLessThanOrEqual(1)
        for (const placed of partitions) {
          expect(new Set(placed.replicas.map(({ broker }) => broker)).size).toBe(replicas)
          expect(placed.leader).toEqual(placed.replicas[0])
          expect(placed.inSync).toEqual(placed.replicas)
          expect(isLed(placed, view)).toBe(true)
        }
        expect(place(view, count, replicas)).toEqual(partitions)
      }),
    )
  })

  it('keeps racks apart wherever there are enough', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 4 }), ({ brokers, count, replicas }, racks) => {
        const view = cluster(brokers, racks)
        const possible = Math.min(replicas, racks, brokers)
        for (const placed of place(view, count, replicas)) {
          expect(racksOf(placed.replicas, view)).toBe(possible)
        }
      }),
    )
  })

  it('counts what brokers have already, and shares it between many small topics', () => {
    const view = cluster(5)
    const load = new Workload()
    const topics = Array.from({ length: 50 }, (_, at) =>
      placeReplicas({ topicId: `t${at}`, from: 0, count: 1, replicas: 3, minInSync: 2, view, load }),
    )
    expect(spread(topics.flat(), view).replicas).toBe(0)
    expect(spread(topics.flat(), view).leads).toBeLessThanOrEqual(2)
  })

  it('begins with different brokers for topics that are made without knowing of each other', () => {
    const view = cluster(6)
    const firsts = new Set(
      Array.from({ length: 60 }, (_, at) => place(view, 1, 1, `topic-${at}`)[0]!.leader!.broker),
    )
    expect(firsts.size).toBe(6)
  })

  it('leaves out who is drained or leaving, and says how many are left', () => {
    const view = cluster(4)
    view.set('b0', { ...view.get('b0')!, drained: true })
    view.set('b1', { ...view.get('b1')!, leaving: true })
    const partitions = place(view, 8, 2)
    expect(new Set(partitions.flatMap(({ replicas }) => replicas.map(({ broker }) => broker)))).toEqual(
      new Set(['b2', 'b3']),
    )
    // As many as there are, if a message can be on as many disks as it must.
    expect(place(view, 1, 3)[0]!.replicas).toHaveLength(2)
    expect(() => place(view, 1, 5)).toThrow(
      expect.objectContaining({
        code: 'NOT_ENOUGH_REPLICAS',
        message: expect.stringContaining('but 2 live'),
      }),
    )
  })
})

/** A cluster, some of whose disks are nearly full; and partitions that are on it already, over so many of its brokers. */
const fullDisks = sizes.chain((size) =>
  fc.record({
    size: fc.constant(size),
    racks: fc.nat(3),
    more: fc.nat(3),
    full: fc.subarray(Array.from({ length: size.brokers + 3 }, (_, at) => `b${at}`)),
  }),
)

function fill(view: Map<string, ClusterMember>, full: readonly string[]): Map<string, ClusterMember> {
  for (const broker of full) {
    const member = view.get(broker)
    if (member) view.set(broker, { ...member, full: true })
  }
  return view
}

/** What each partition has got, and had not. */
function added(before: readonly PlacedPartition[], after: readonly PlacedPartition[]): Replica[] {
  return after.flatMap(({ replicas }, at) =>
    replicas.filter((replica) => !includesReplica(before[at]!.replicas, replica)),
  )
}

describe('a broker whose disk is nearly full', () => {
  it('gets new partitions only where all that have room have one, and leads none of those that another can', () => {
    fc.assert(
      fc.property(fullDisks, ({ size: { brokers, count, replicas }, racks, full }) => {
        const view = fill(cluster(brokers, racks), full)
        const roomy = [...view.values()].filter((member) => !member.full)
        for (const placed of place(view, count, replicas)) {
          const isFull = ({ broker }: Replica) => view.get(broker)!.full === true
          expect(placed.replicas).toHaveLength(replicas)
          expect(placed.replicas.filter(isFull)).toHaveLength(Math.max(0, replicas - roomy.length))
          expect(isFull(placed.leader!)).toBe(roomy.length === 0)
          expect(preferredMoves([placed], view)).toEqual([])
        }
      }),
    )
  })

  it('gets no replicas by moves while another has room, and as ever when none has', () => {
    fc.assert(
      fc.property(fullDisks, ({ size: { brokers, count, replicas }, racks, more, full }) => {
        const partitions = place(cluster(brokers, racks), count, replicas)
        const plans = (view: Map<string, ClusterMember>) => {
          const drained = new Map(view).set('b0', { ...view.get('b0')!, drained: true })
          return [
            rebalancePlan(partitions, view),
            completionPlan(partitions, view, () => replicas + 1),
            drainPlan(partitions, drained, new Set(['b0'])),
          ]
        }
        const view = fill(cluster(brokers + more, racks), full)
        const hosts = [...view.values()]
        for (const moves of plans(view)) {
          const got = added(partitions, applied(partitions, moves)).map(({ broker }) => view.get(broker)!)
          if (hosts.some((member) => !member.full && member.broker !== 'b0'))
            expect(got.filter((member) => member.full)).toEqual([])
        }
        const all = [...view.keys()]
        expect(plans(fill(new Map(view), all))).toEqual(plans(cluster(brokers + more, racks)))
        const balanced = applied(partitions, rebalancePlan(partitions, view))
        expect(rebalancePlan(balanced, view)).toEqual([])
      }),
    )
  })

  it('is drained and relieved as any other', () => {
    const partitions = place(cluster(2), 8, 1)
    const view = fill(cluster(3), ['b0'])
    const after = applied(partitions, rebalancePlan(partitions, view))
    expect(Workload.of(after).replicas('b0')).toBeLessThan(4)
    view.set('b0', { ...view.get('b0')!, drained: true })
    const drained = applied(partitions, drainPlan(partitions, view, new Set(['b0'])))
    expect(Workload.of(drained).replicas('b0')).toBe(0)
  })
})

/** A partition over some of six brokers, and any state of the six. */
const situations = fc
  .record({
    replicas: fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 1, maxLength: 4 }),
    inSync: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    target: fc.option(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 1, maxLength: 4 }), {
      nil: undefined,
    }),
    leader: fc.nat(3),
    minInSync: fc.integer({ min: 1, max: 3 }),
    brokers: fc.array(fc.constantFrom('alive', 'dead', 'restarted', 'wiped', 'leaving', 'full'), {
      minLength: 6,
      maxLength: 6,
    }),
  })
  .map(({ replicas, inSync, target, leader, minInSync, brokers }) => {
    const name = (at: number): Replica => ({ broker: `b${at}`, storage: `s${at}` })
    const named = replicas.map(name)
    const synced = named.filter((_, at) => inSync[at] || at === leader % named.length)
    const partition: PlacedPartition = {
      topicId: 't',
      partition: 0,
      epoch: 7,
      leader: named[leader % named.length]!,
      incarnation: 1,
      replicas: named,
      inSync: synced,
      target: target?.map(name),
    }
    const view = new Map<string, ClusterMember>()
    brokers.forEach((state, at) => {
      if (state === 'dead') return
      view.set(`b${at}`, {
        broker: `b${at}`,
        storage: state === 'wiped' ? `new${at}` : `s${at}`,
        generation: state === 'restarted' ? 2 : 1,
        leaving: state === 'leaving',
        full: state === 'full',
      })
    })
    return { partition, view, minInSync }
  })

describe('electing a leader', () => {
  it('names only who is in sync and alive with the same database, in a new epoch and its life', () => {
    fc.assert(
      fc.property(situations, ({ partition, view, minInSync }) => {
        const next = electLeader(partition, view, minInSync)
        if (next === undefined) {
          const could = partition.inSync.some(
            (replica) => isAlive(replica, view) && !view.get(replica.broker)!.leaving,
          )
          expect(isLed(partition, view) || !could).toBe(true)
          return
        }
        expect(isLed(partition, view)).toBe(false)
        expect(next.epoch).toBe(partition.epoch + 1)
        expect(isLed(next, view)).toBe(true)
        expect(view.get(next.leader!.broker)!.leaving).not.toBe(true)
        if (view.get(next.leader!.broker)!.full)
          expect(partition.inSync.some((replica) => canTakeMessages(replica, view))).toBe(false)
        expect(includesReplica(partition.inSync, next.leader!)).toBe(true)
        expect(includesReplica(next.inSync, next.leader!)).toBe(true)
      }),
    )
  })

  it('never leaves fewer in sync than it must, and drops none that lives but those that are about to leave and do not lead', () => {
    fc.assert(
      fc.property(situations, ({ partition, view, minInSync }) => {
        const left = livingInSync(partition, view, minInSync)
        expect(left.length).toBeGreaterThanOrEqual(Math.min(minInSync, partition.inSync.length))
        for (const replica of partition.inSync) {
          if (stays(partition, replica, view)) expect(left).toContainEqual(replica)
          else if (left.length > minInSync) expect(left).not.toContainEqual(replica)
        }
        const dead = left.filter((replica) => !isAlive(replica, view))
        if (dead.length > 0) expect(left.length).toBeLessThanOrEqual(minInSync)
      }),
    )
  })

  it('is stable: the second look changes nothing', () => {
    fc.assert(
      fc.property(situations, ({ partition, view, minInSync }) => {
        const rules = { view, minInSync, isGone: never }
        const next = nextPlacement(partition, rules) ?? partition
        expect(nextPlacement(next, rules)).toBeUndefined()
        expect(next.epoch - partition.epoch).toBeLessThanOrEqual(1)
        // Whoever is in sync is a replica, and it never becomes too few.
        for (const replica of next.inSync) {
          expect([...next.replicas, ...(next.target ?? [])]).toContainEqual(replica)
        }
        expect(next.inSync.length).toBeGreaterThanOrEqual(Math.min(minInSync, partition.inSync.length))
        for (const list of [next.replicas, next.target ?? []]) {
          for (const replica of list)
            expect(list.filter((it) => it.storage === replica.storage)).toHaveLength(1)
        }
        // Whoever is in sync and to stay is so still, but for those that a finished move sends away.
        const kept = partition.inSync.filter((replica) => stays(next, replica, view))
        const finished = partition.target !== undefined && next.target === undefined
        if (!finished) for (const replica of kept) expect(next.inSync).toContainEqual(replica)
      }),
    )
  })

  it('prefers the order of the replicas', () => {
    const view = cluster(3)
    const [partition] = place(view, 1, 3)
    const [first, second] = partition!.replicas
    view.delete(first!.broker)
    expect(electLeader(partition!, view, 1)!.leader).toEqual(second)
  })

  it('gives a new epoch to a leader that was started again', () => {
    const view = cluster(1)
    const [partition] = place(view, 1, 1)
    view.set('b0', { ...view.get('b0')!, generation: 2 })
    expect(electLeader(partition!, view, 1)).toMatchObject({
      epoch: 1,
      incarnation: 2,
      leader: partition!.leader,
    })
  })

  it('lets a database that comes back lead what only it has', () => {
    const view = cluster(1)
    const [partition] = place(view, 1, 1)
    const rules = { view, minInSync: 1, isGone: never }
    view.set('b0', { broker: 'b0', storage: 'other', generation: 1 })
    const wiped = nextPlacement(partition!, rules)!
    expect(wiped).toMatchObject({
      epoch: 0,
      replicas: [{ storage: 's0' }, { storage: 'other' }],
      inSync: [{ storage: 's0' }],
    })
    view.set('b0', { broker: 'b0', storage: 's0', generation: 2 })
    const back = nextPlacement(wiped, rules)!
    expect(back).toMatchObject({ epoch: 1, leader: { storage: 's0' }, replicas: [{ storage: 's0' }] })
  })

  it('names a wiped broker by both its databases for as long as the old one is needed', () => {
    const view = cluster(3)
    const [placed] = place(view, 1, 3)
    const [first, second, third] = placed!.replicas
    const rules = { view, minInSync: 2, isGone: never }
    const partition = { ...placed!, inSync: [first!, second!] }
    const fresh = { broker: second!.broker, storage: 'fresh' }
    view.set(second!.broker, { ...fresh, generation: 1 })
    const both = nextPlacement(partition, rules)!
    expect(both.replicas).toEqual([first, second, fresh, third])
    expect(both.inSync).toEqual([first, second])
    // The new one has caught up: the old one is needed no more.
    const caughtUp = nextPlacement({ ...both, inSync: [first!, second!, fresh] }, rules)!
    expect(caughtUp.replicas).toEqual([first, fresh, third])
    expect(caughtUp.inSync).toEqual([first, fresh])
    // Nothing else is done with it meanwhile.
    expect(rebalancePlan([both], view)).toEqual([])
    expect(completionPlan([both], view, () => 3)).toEqual([])
    // The old one is put back: it has everything.
    view.set(second!.broker, { ...second!, generation: 9 })
    view.delete(first!.broker)
    const back = nextPlacement(both, rules)!
    expect(back).toMatchObject({ leader: second, epoch: 1, replicas: [first, second, third] })
  })

  it('uncleanly takes a replica that is not in sync, alone', () => {
    const view = cluster(3)
    const [placed] = place(view, 1, 3)
    const [first, second, third] = placed!.replicas
    const partition = { ...placed!, inSync: [first!] }
    view.delete(first!.broker)
    expect(electLeader(partition, view, 2)).toBeUndefined()
    expect(electUncleanLeader(partition, view)).toMatchObject({ epoch: 1, leader: second, inSync: [second] })
    expect(electUncleanLeader(partition, view, third!.broker)!.leader).toEqual(third)
    expect(electUncleanLeader(partition, view, first!.broker)).toBeUndefined()
  })
})

describe('a leader', () => {
  it('hands over to the preferred replica if that takes messages, and to any that does if it takes none itself', () => {
    fc.assert(
      fc.property(situations, ({ partition, view }) => {
        const [move] = preferredMoves([partition], view)
        const { leader, inSync, replicas, target = [] } = partition
        const takers = inSync.filter((replica) => canTakeMessages(replica, view))
        const full = isLed(partition, view) && view.get(leader!.broker)!.full
        if (full && takers.length > 0) expect(takers).toContainEqual(move?.to)
        if (move === undefined) return
        expect(isLed(partition, view)).toBe(true)
        expect(move.from).toEqual(leader)
        expect(inSync).toContainEqual(move.to)
        expect([...replicas, ...target]).toContainEqual(move.to)
        if (view.get(move.to.broker)!.full) expect(target).not.toContainEqual(leader)
      }),
    )
  })
})

describe('a move', () => {
  it('ends once all of its target are in sync and one of them leads', () => {
    const view = cluster(4)
    const [partition] = place(view, 1, 2)
    const [leader, other] = partition!.replicas
    const added = [...view.values()].find(
      ({ broker }) => !partition!.replicas.some((it) => it.broker === broker),
    )!
    const name = { broker: added.broker, storage: added.storage }
    const rules = { view, minInSync: 2, isGone: never }
    const moving = { ...partition!, target: [name, leader!] }
    expect(nextPlacement(moving, rules)).toBeUndefined()
    const ready = { ...moving, inSync: [leader!, other!, name] }
    const done = nextPlacement(ready, rules)!
    expect(done).toMatchObject({ replicas: [name, leader], inSync: [leader, name], epoch: 0, leader })
    expect(done.target).toBeUndefined()
    expect(preferredMoves([done], view)).toMatchObject([{ from: leader, to: name }])
    // A leader that is to go hands over first.
    const without = { ...ready, target: [name, other!] }
    expect(nextPlacement(without, rules)).toBeUndefined()
    expect(preferredMoves([without], view)).toMatchObject([{ from: leader, to: name }])
  })

  it('is given up when it waits for a broker that is gone', () => {
    const view = cluster(3)
    const [partition] = place(view, 1, 2)
    const gone = { broker: 'gone', storage: 's' }
    const moving = { ...partition!, target: [partition!.leader!, gone] }
    expect(nextPlacement(moving, { view, minInSync: 1, isGone: never })).toBeUndefined()
    const next = nextPlacement(moving, { view, minInSync: 1, isGone: (broker) => broker === 'gone' })
    expect(next?.target).toBeUndefined()
    expect(next?.replicas).toEqual(partition!.replicas)
  })
})

describe('a move that waits for a broker which is gone', () => {
  it('goes on waiting while what it has brought is needed', () => {
    const view = cluster(4)
    const [placed] = place(view, 1, 2)
    const [leader, other] = placed!.replicas
    const added = [...view.values()].find(
      ({ broker }) => !placed!.replicas.some((it) => it.broker === broker),
    )!
    const name = { broker: added.broker, storage: added.storage }
    const gone = { broker: 'gone', storage: 's' }
    const rules = { view, minInSync: 2, isGone: (broker: string) => broker === 'gone' }
    // Without the one that the move has brought there would be one in sync: it removes what it has once it is not named.
    const needed = { ...placed!, target: [leader!, name, gone], inSync: [leader!, name] }
    expect(nextPlacement(needed, rules)).toBeUndefined()
    const enough = { ...needed, inSync: [leader!, name, other!] }
    expect(nextPlacement(enough, rules)).toMatchObject({
      inSync: [leader, other],
      replicas: placed!.replicas,
    })
  })
})

describe('rebalancing', () => {
  it('brings replicas and leaders within one, moves nothing twice, and then nothing', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 3 }), ({ brokers, count, replicas }, more) => {
        const partitions = place(cluster(brokers), count, replicas)
        const view = cluster(brokers + more)
        const moves = rebalancePlan(partitions, view)
        const after = applied(partitions, moves)
        expect(spread(after, view).replicas).toBeLessThanOrEqual(1)
        expect(spread(after, view).leads).toBeLessThanOrEqual(1)
        expect(rebalancePlan(after, view)).toEqual([])
        if (more === 0) expect(moves).toEqual([])
        for (const { target } of moves)
          expect(new Set(target.map(({ broker }) => broker)).size).toBe(replicas)
        // Only what a new broker takes comes to another place.
        const moved = after.flatMap((placed, at) =>
          placed.replicas.filter((replica) => !includesReplica(partitions[at]!.replicas, replica)),
        )
        const share = Math.ceil((count * replicas) / (brokers + more))
        expect(moved.length).toBeLessThanOrEqual(share * more)
        for (const { broker } of moved) expect(Number(broker.slice(1))).toBeGreaterThanOrEqual(brokers)
      }),
    )
  })

  it('separates racks, and never brings two replicas of a partition into one', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 2, max: 4 }), ({ brokers, count, replicas }, racks) => {
        const partitions = place(cluster(brokers), count, replicas)
        const view = cluster(brokers, racks)
        const after = applied(partitions, rebalancePlan(partitions, view))
        const possible = Math.min(replicas, racks, brokers)
        for (const placed of after) expect(racksOf(placed.replicas, view)).toBe(possible)
        expect(rebalancePlan(after, view)).toEqual([])
      }),
    )
  })

  it('leaves alone what is moving, and counts it as moved', () => {
    const partitions = place(cluster(2), 8, 1)
    const view = cluster(4)
    const [first] = rebalancePlan(partitions, view)
    const moving = partitions.map((placed) => {
      return placed.partition === first!.partition ? { ...placed, target: first!.target } : placed
    })
    const rest = rebalancePlan(moving, view)
    expect(rest.map(({ partition }) => partition)).not.toContain(first!.partition)
    expect(rest).toHaveLength(rebalancePlan(partitions, view).length - 1)
  })
})

describe('draining', () => {
  it('takes everything off a broker, and moves nothing else', () => {
    fc.assert(
      fc.property(sizes, fc.nat(8), ({ brokers, count, replicas }, pick) => {
        const view = cluster(brokers)
        const partitions = place(view, count, replicas)
        const drained = `b${pick % brokers}`
        view.set(drained, { ...view.get(drained)!, drained: true })
        const moves = drainPlan(partitions, view, new Set([drained]))
        const after = applied(partitions, moves)
        const held = partitions.filter((placed) => placed.replicas.some(({ broker }) => broker === drained))
        const possible = brokers > replicas
        expect(moves).toHaveLength(possible ? held.length : 0)
        if (possible) {
          for (const placed of after)
            expect(placed.replicas.some(({ broker }) => broker === drained)).toBe(false)
        }
        expect(drainPlan(after, view, new Set([drained]))).toHaveLength(0)
      }),
    )
  })

  it('works for a broker that is dead, and keeps the others where they are', () => {
    const view = cluster(4)
    const partitions = place(view, 12, 2)
    view.delete('b3')
    const moves = drainPlan(partitions, view, new Set(['b3']))
    expect(moves.length).toBeGreaterThan(0)
    for (const { partition, target } of moves) {
      const before = partitions[partition]!.replicas
      expect(target.filter((replica) => includesReplica(before, replica))).toHaveLength(1)
    }
  })
})

describe('completing', () => {
  it('gives partitions the replicas that they lack, as brokers come', () => {
    const partitions = place(cluster(1), 6, 1)
    expect(completionPlan(partitions, cluster(1), () => 3)).toEqual([])
    const two = applied(
      partitions,
      completionPlan(partitions, cluster(2), () => 3),
    )
    expect(two.every(({ replicas }) => replicas.length === 2)).toBe(true)
    const moves = completionPlan(two, cluster(4), () => 3)
    const after = applied(two, moves)
    expect(after.every(({ replicas }) => replicas.length === 3)).toBe(true)
    expect(after.every(({ leader }) => leader!.broker === 'b0')).toBe(true)
    expect(completionPlan(after, cluster(4), () => 3)).toEqual([])
  })
})
