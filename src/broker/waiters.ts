import { PortalError } from '../core/errors.js'
import { TransientSet } from '../core/transient-set.js'
import type { Delivery } from '../protocol/service.js'

/** A consumer that asks for messages and sleeps until there are some. */
export interface Waiter {
  readonly consumer: string
  readonly id: number | undefined
  readonly local: boolean
  /** Milliseconds. */
  readonly lease: number
  readonly maxMessages: number
  readonly maxBytes: number
  /** `more`: there was more than it allows. */
  deliver(delivery: Delivery, more: boolean): void
  /** Answers with nothing, unless something was leased for it. */
  end(): void
  fail(error: PortalError): void
  /** Something was leased for it, and is on its way. */
  granted: boolean
  /** Answered, timed out or aborted: what was leased for it in the meantime is given back. */
  done: boolean
}

/** A consumer that wants to know when there is something for it, and leases nothing yet. */
export interface Hint {
  readonly consumer: string
  readonly id: number | undefined
  tell(): void
  fail(error: PortalError): void
}

/** What a dispatcher needs of a partition. */
export interface DispatchTarget {
  /** Whether it could lease something to this group now. */
  hasWork(group: string): boolean
  /** Asks for a cut soon. */
  mark(): void
  /** How many messages a consumer of this group holds here, and how many suspects. */
  heldBy(group: string, consumer: string): { readonly held: number; readonly suspects: number }
  /** Suspects that wait, and consumers that hold one. */
  suspectsOf(group: string): { readonly waiting: number; readonly held: number }
}

/**
 * The sleeping consumers of one group, for all partitions of its topic on this broker. They are served in the order in which they came;
 * several share what there is.
 */
export class Dispatcher {
  readonly group: string
  generation: number
  paused: boolean
  readonly waiters = new TransientSet<Waiter>()
  readonly hints = new TransientSet<Hint>()
  readonly #targets: readonly DispatchTarget[]
  /** Consumers that held several when a lease of theirs ended without word, and were not heard since. */
  readonly #silent = new Set<string>()
  #next = 0

  constructor(group: string, generation: number, paused: boolean, targets: readonly DispatchTarget[]) {
    this.group = group
    this.generation = generation
    this.paused = paused
    this.#targets = targets
  }

  add(waiter: Waiter): void {
    this.waiters.add(waiter)
    this.wake()
  }

  addHint(hint: Hint): void {
    this.hints.add(hint)
    if (this.waiters.size === 0 && this.#couldServe(hint)) this.#tell(hint)
  }

  /**
   * Tells one, the oldest, of what nobody who waits takes: who fetches it leaves the rest to the next, and who does not is overtaken by the
   * next (`waitForWork`). So a message wakes one of a thousand.
   */
  tellHint(): void {
    for (const hint of this.hints) if (this.#couldServe(hint)) return this.#tell(hint)
  }

  #tell(hint: Hint): void {
    this.hints.delete(hint)
    hint.tell()
  }

  #couldServe({ consumer }: Hint): boolean {
    if (!this.hasWork()) return false
    const suspects = this.suspects()
    if (suspects.waiting === 0 && suspects.held === 0) return true
    // As they are granted: a suspect goes to whoever holds nothing, and who holds one gets nothing else.
    const holds = this.heldBy(consumer)
    return holds.suspects === 0 && (suspects.waiting === 0 || holds.held === 0)
  }

  /** Whether some partition could serve somebody. */
  hasWork(): boolean {
    return !this.paused && this.#targets.some((target) => target.hasWork(this.group))
  }

  /** Marks the partitions that could serve somebody; another one is first each time. */
  wake(): void {
    if (this.paused) return
    if (this.waiters.size === 0) return this.tellHint()
    const count = this.#targets.length
    this.#next = count === 0 ? 0 : (this.#next + 1) % count
    for (let i = 0; i < count; i++) {
      const target = this.#targets[(this.#next + i) % count]!
      if (target.hasWork(this.group)) target.mark()
    }
  }

  /** How many messages a consumer holds over all partitions. */
  heldBy(consumer: string): { held: number; suspects: number } {
    let held = 0
    let suspects = 0
    for (const target of this.#targets) {
      const here = target.heldBy(this.group, consumer)
      held += here.held
      suspects += here.suspects
    }
    return { held, suspects }
  }

  /**
   * Whether a lease of this consumer that ends now without word was one of several. The last of those that it held when it fell silent is, too,
   * though the others have ended before.
   */
  endsAmongSeveral(consumer: string): boolean {
    if (this.heldBy(consumer).held > 1) this.#silent.add(consumer)
    return this.#silent.has(consumer)
  }

  /** Leases of it have ended: of one that has none left nothing is remembered. */
  leasesEnded(consumer: string): void {
    if (this.#silent.has(consumer) && this.heldBy(consumer).held === 0) this.#silent.delete(consumer)
  }

  /** It lives: it gets what it asked for, or says something of what it holds. */
  heard(consumer: string): void {
    this.#silent.delete(consumer)
  }

  /** Over all partitions: suspects that wait for a consumer that holds nothing, and those in hand. */
  suspects(): { waiting: number; held: number } {
    let waiting = 0
    let held = 0
    for (const target of this.#targets) {
      const here = target.suspectsOf(this.group)
      waiting += here.waiting
      held += here.held
    }
    return { waiting, held }
  }

  /** One receive ends, if it still waits. */
  endReceive(consumer: string, id: number): void {
    for (const waiter of [...this.waiters]) {
      if (waiter.consumer !== consumer || waiter.id !== id) continue
      this.waiters.delete(waiter)
      waiter.fail(endedByConsumer(consumer))
    }
    for (const hint of [...this.hints]) {
      if (hint.consumer === consumer && hint.id === id) hint.fail(endedByConsumer(consumer))
    }
  }

  /** The receives of this consumer that still wait end: nobody hears their answers any more. */
  endReceives(consumer: string): void {
    for (const waiter of [...this.waiters]) {
      if (waiter.consumer !== consumer) continue
      this.waiters.delete(waiter)
      waiter.fail(
        new PortalError('ABORTED', `Consumer ${consumer} asked again: an older receive of it ended.`, {
          retriable: true,
        }),
      )
    }
  }

  /** A partition has moved away: who waits for it looks for it elsewhere, and waits here again for what has stayed. */
  departed(error: PortalError): void {
    for (const waiter of this.waiters) waiter.end()
    for (const hint of [...this.hints]) hint.fail(error)
  }

  failAll(error: PortalError): void {
    for (const waiter of this.waiters) waiter.fail(error)
    this.waiters.clear()
    for (const hint of [...this.hints]) hint.fail(error)
  }
}

function endedByConsumer(consumer: string): PortalError<'ABORTED'> {
  return new PortalError('ABORTED', `A receive of consumer ${consumer} was ended by it.`)
}
