import type { MemberDocument } from '../../coordination/documents.js'
import { isPortalError } from '../../core/errors.js'
import { isSameReplica } from '../../core/placement/placed-partition.js'
import type { Incarnation } from '../../protocol/peer-service.js'
import { pause } from '../../runtime/pause.js'
import type { Runtime } from '../../runtime/runtime.js'
import type { Replica } from '../replication/replica.js'

/** What a broker that leaves has, and can do. */
export interface Departure {
  readonly runtime: Runtime
  readonly self: Incarnation
  replicas(): readonly Replica[]
  members(): ReadonlyMap<string, MemberDocument>
  /** Gives a partition that is led here to another replica. */
  handOver(replica: Replica, to: Incarnation): Promise<void>
  /** Whether the coordination session certainly lives. */
  holds(): boolean
}

/** How long handing over leaderships may take (ms). */
const LEAVE = 15_000
/** How long it is then waited until nobody waits for what is followed here (ms). */
const DISMISSAL = 2_000
/** How long to wait before the next look (ms). */
const LOOK = 10

/** Gives all leaderships away, to whoever takes them; what nobody takes stays. */
export async function handOverAll(departure: Departure): Promise<void> {
  const { timers, clock } = departure.runtime
  const until = clock.monotonic() + LEAVE
  while (clock.monotonic() < until) {
    const led = departure.replicas().filter((replica) => replica.led !== undefined)
    const moved = await Promise.all(led.map((replica) => giveAway(departure, replica)))
    if (!moved.includes(true)) return
    await pause(timers, LOOK)
  }
}

async function giveAway(departure: Departure, replica: Replica): Promise<boolean> {
  for (const to of replica.document.inSync) {
    const member = departure.members().get(to.broker)
    if (!member || member.leaving || member.storage !== to.storage || to.broker === departure.self.broker)
      continue
    try {
      await departure.handOver(replica, { ...to, generation: member.generation })
      return true
    } catch (error) {
      if (!isPortalError(error)) throw error
    }
  }
  return false
}

/** Until the controller has taken this broker out of every in-sync set that can do without: leaders would wait for what it no longer fetches. */
export async function dismissed(departure: Departure): Promise<void> {
  const { timers, clock } = departure.runtime
  const isAwaited = ({ led, topic, document: { inSync } }: Replica) =>
    led === undefined &&
    inSync.some((replica) => isSameReplica(replica, departure.self)) &&
    inSync.length > topic.document.config.minInSync
  const until = clock.monotonic() + DISMISSAL
  while (clock.monotonic() < until && departure.holds()) {
    if (!departure.replicas().some(isAwaited)) return
    await pause(timers, LOOK)
  }
}
