import type { ClusterBroker } from './cluster-broker.js'
import type { ClusterWorld } from './cluster-world.js'
import type { WallClock } from './life.js'

const MIB = 1 << 20

/** How long what was decided may wait until it is written, at most (ms). */
const DECIDED = 60_000

/** What goes wrong in a cluster, and for how long. */
export class ClusterTroubles {
  readonly #world: ClusterWorld
  /** Some bytes on some disk have changed by themselves. */
  isDamaged = false
  /** Some disk has failed, or was slow. */
  isFailing = false
  /** By how much clocks were wrong (ms), until when that counts: what was decided by them may be written a while later. */
  #setBack: { readonly offset: number; readonly until: number }[] = []

  constructor(world: ClusterWorld) {
    this.#world = world
  }

  async begin(): Promise<void> {
    const { scheduler } = this.#world
    // First it is allowed to come up.
    await scheduler.sleep(scheduler.random() * 10_000)
    while (!this.#world.healing) {
      await scheduler.sleep(scheduler.random() * scheduler.pick([200, 2_000, 10_000]))
      if (!this.#world.healing) this.#one()
    }
  }

  heal(): void {
    const { wires, doorWires, ensemble, brokers } = this.#world
    for (const one of [wires, doorWires]) {
      one.heal()
      Object.assign(one.faults, { loss: 0, duplicates: 0, delay: 2 })
    }
    ensemble.comeBack()
    ensemble.faults.lag = 0
    for (const broker of brokers) {
      broker.link.heal()
      Object.assign(broker.link.faults, { delay: 5, lateness: 0, loss: 0 })
      const sound = { slow: false, stuck: false, failCommit: 0, freeBytes: Number.POSITIVE_INFINITY }
      Object.assign(broker.disk.faults, sound)
      this.#setClock(broker.clock, 0)
      if (broker.life?.frozen) broker.life.thaw()
    }
  }

  /** By how much clocks are, or were a moment ago, wrong (ms). */
  recentOffsets(): number[] {
    const { scheduler, brokers } = this.#world
    this.#setBack = this.#setBack.filter(({ until }) => until > scheduler.now)
    return [...brokers.map(({ clock }) => clock.offset), ...this.#setBack.map(({ offset }) => offset)]
  }

  #setClock(clock: WallClock, offset: number): void {
    const until = this.#world.scheduler.now + DECIDED
    this.#setBack.push({ offset: clock.offset, until })
    clock.offset = offset
  }

  /** A machine is off: a disk that failed is replaced by what is on it. */
  isDown(broker: ClusterBroker): void {
    broker.disk.faults.failCommit = 0
    broker.disk.faults.stuck = false
  }

  #one(): void {
    const { scheduler } = this.#world
    const troubles: [number, () => void][] = [
      [12, () => this.#weather()],
      [10, () => this.#divide()],
      [8, () => this.#cutOneWay()],
      [10, () => this.#healWires()],
      [10, () => this.#freeze()],
      [8, () => this.#cutFromCoordination()],
      [4, () => this.#expire()],
      [2, () => this.#coordinationAway()],
      [2, () => this.#powerFailsEverywhere()],
      [6, () => this.#disk()],
      [5, () => this.#rot()],
      [3, () => this.#loseDisk()],
      [3, () => this.#clock()],
    ]
    let dice = scheduler.random() * troubles.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, happens] of troubles) {
      dice -= weight
      if (dice < 0) return happens()
    }
  }

  /** How bad all networks are by nature. */
  #weather(): void {
    const { scheduler, wires, doorWires, ensemble, brokers } = this.#world
    for (const { faults } of [wires, doorWires]) {
      faults.loss = scheduler.pick([0, 0, 0.02, 0.2])
      faults.duplicates = scheduler.pick([0, 0.05, 0.3])
      faults.delay = scheduler.pick([1, 5, 40])
    }
    ensemble.faults.lag = scheduler.pick([0, 20, 2_000])
    for (const { link } of brokers) {
      link.faults.delay = scheduler.pick([2, 5, 50])
      link.faults.lateness = scheduler.pick([0, 100, 5_000])
      link.faults.loss = scheduler.pick([0, 0, 0.01])
    }
  }

  #divide(): void {
    const { scheduler, wires, brokers } = this.#world
    const division = scheduler.pick(['one', 'one', 'halves', 'ring', 'bridge'] as const)
    wires.divide(
      brokers.map(({ name }) => name),
      division,
    )
    this.#count(`divided: ${division}`)
    this.#later(20_000, () => wires.heal())
  }

  #cutOneWay(): void {
    const { scheduler, wires, doorWires } = this.#world
    const [one, other] = [this.#any(), this.#any()]
    this.#count('cut one way')
    if (scheduler.chance(0.3)) {
      if (scheduler.chance(0.5)) doorWires.cut('clients', one.name)
      else doorWires.cut(one.name, 'clients')
      this.#later(20_000, () => doorWires.heal())
    } else if (one !== other) {
      wires.cut(one.name, other.name)
      this.#later(20_000, () => wires.heal())
    }
  }

  #healWires(): void {
    this.#world.wires.heal()
    this.#world.doorWires.heal()
  }

  /** A process stands still for shorter or longer than its session lives. */
  #freeze(): void {
    const { scheduler, trace } = this.#world
    const broker = this.#any()
    const { life } = broker
    if (!life || life.frozen) return
    trace.line(`${broker.name} stands still`)
    this.#count('frozen')
    life.freeze()
    this.#later(scheduler.pick([1_000, 5_000, 30_000]), () => {
      if (!life.alive() || !life.frozen) return
      trace.line(`${broker.name} goes on`)
      life.thaw()
    })
  }

  #cutFromCoordination(): void {
    const { scheduler, trace } = this.#world
    const { name, link } = this.#any()
    this.#count('cut from coordination')
    trace.line(`${name} is cut from the coordination service`)
    link.cut(scheduler.chance(0.5))
    this.#later(scheduler.pick([1_000, 20_000]), () => {
      trace.line(`${name} reaches the coordination service again`)
      link.heal()
    })
  }

  #expire(): void {
    const { trace, ensemble } = this.#world
    const { name } = this.#any()
    this.#count('session ended')
    trace.line(`the service ends the session of ${name}`)
    ensemble.expireAll(name)
  }

  #coordinationAway(): void {
    const { trace, ensemble } = this.#world
    this.#count('coordination away')
    trace.line('the coordination service has no majority')
    ensemble.leave()
    this.#later(60_000, () => {
      trace.line('the coordination service is back')
      ensemble.comeBack()
    })
  }

  #powerFailsEverywhere(): void {
    const { trace, brokers } = this.#world
    trace.line('power fails everywhere')
    this.#count('power failed everywhere')
    for (const broker of brokers) if (broker.life) broker.die(true)
  }

  #disk(): void {
    const { scheduler, trace } = this.#world
    const { name, disk } = this.#any()
    // A broker whose disk is silent for long gives it up.
    this.isFailing = true
    const fault = scheduler.pick(['slow', 'stuck', 'full', 'fails'] as const)
    this.#count(`disk ${fault}`)
    trace.line(`the disk of ${name}: ${fault}`)
    if (fault === 'slow') disk.faults.slow = !disk.faults.slow
    else if (fault === 'full') {
      disk.faults.freeBytes = scheduler.pick([0, 16, 16, 40]) * MIB + scheduler.whole(0, 20_000)
      this.#later(20_000, () => {
        disk.faults.freeBytes = Number.POSITIVE_INFINITY
      })
    } else if (fault === 'fails') {
      disk.faults.failCommit = 0.3
    } else {
      disk.faults.stuck = true
      this.#later(10_000, () => {
        disk.faults.stuck = false
      })
    }
  }

  /** Bytes change by themselves, where all others in sync can still read theirs. */
  #rot(): void {
    const { scheduler, trace, audit } = this.#world
    const { name, disk } = this.#any()
    const logs = disk.view.logs().filter((log) => audit.survives(log, disk))
    if (logs.length === 0) return
    const log = scheduler.pick(logs)
    const place = disk.rot(log)
    if (place === undefined) return
    this.isDamaged = true
    this.#count(place === 'snapshot' ? 'snapshot rots' : 'entry rots')
    trace.line(`on the disk of ${name} rots ${log} ${place}`)
  }

  /** A machine gets an empty disk, or an old copy of its own, while all that was on it is elsewhere. */
  #loseDisk(): void {
    const broker = this.#any()
    const { disk } = broker
    const { audit } = this.#world
    if (![...audit.documents.partitions.keys()].every((log) => audit.survives(log, disk))) return
    if (broker.life) broker.die(true)
    if (this.#world.scheduler.chance(0.4) && broker.putBack()) {
      this.isDamaged = true
      this.#count('disk put back')
    } else {
      this.#count('disk wiped')
      broker.wipe()
    }
  }

  #clock(): void {
    const { scheduler, trace } = this.#world
    const { name, clock } = this.#any()
    const by = scheduler.pick([-90_000, -5_000, 500, 30_000, 150_000]) * scheduler.random()
    this.#count('clock jumps')
    trace.line(`the clock of ${name} jumps by ${Math.round(by)}`)
    this.#setClock(clock, clock.offset + by)
    this.#later(30_000, () => {
      this.#setClock(clock, clock.offset - by)
    })
  }

  #count(what: string): void {
    this.#world.count(what, 1)
  }

  #any(): ClusterBroker {
    return this.#world.scheduler.pick(this.#world.brokers)
  }

  #later(within: number, run: () => void): void {
    const { scheduler } = this.#world
    scheduler.after(scheduler.random() * within, () => {
      if (!this.#world.healing) run()
    })
  }
}
