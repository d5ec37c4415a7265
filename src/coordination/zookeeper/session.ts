import { PortalError } from '../../core/errors.js'
import type { Clock, Timer, Timers } from '../../runtime/runtime.js'
import type { CoordinationSession } from '../coordination.js'

export interface SessionParts {
  readonly id: string
  /** Milliseconds, as granted. */
  readonly timeout: number
  /** The monotonic instant of sending of a probe that was answered. */
  readonly aliveAt: number
  /** Asks the leader of the ensemble; resolves to whether it answered. */
  readonly probe: () => Promise<boolean>
  readonly clock: Clock
  readonly timers: Timers
}

/** The share of the timeout that the lease lasts: the rest is for a follower that passes the session's signs of life on late. */
const LEASE = 2 / 3
/** Probes in a timeout. */
const PROBES = 6

/**
 * What is known of a session's life. That a connection stands says nothing of it, so only this counts: a
 * probe that was answered shows that the server heard of the session at or after the instant of sending; the server drops it no sooner
 * than a timeout after it last heard of it. Two thirds of a timeout it is certainly alive (the lease); after a whole one
 * it must be taken for lost, whatever kept the answers away: the network, the servers, or an event loop that was blocked.
 */
export class ZooKeeperSession implements CoordinationSession {
  readonly id: string
  readonly #probe: () => Promise<boolean>
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #loss = new AbortController()
  #timeout: number
  #aliveAt: number
  #nextProbe: Timer
  #watchdog: Timer
  #stopped = false

  constructor({ id, timeout, aliveAt, probe, clock, timers }: SessionParts) {
    this.id = id
    this.#timeout = timeout
    this.#aliveAt = aliveAt
    this.#probe = probe
    this.#clock = clock
    this.#timers = timers
    this.#nextProbe = this.#scheduleProbe()
    this.#watchdog = this.#watch()
  }

  get lost(): AbortSignal {
    return this.#loss.signal
  }

  get timeout(): number {
    return this.#timeout
  }

  leaseUntil(): number {
    return this.#loss.signal.aborted ? -Infinity : this.#aliveAt + this.#timeout * LEASE
  }

  /** On every new connection: another server may grant another timeout. */
  reconnected(timeout: number): void {
    if (this.#stopped) return
    if (timeout < this.#timeout) {
      this.#watchdog.cancel()
      this.#timeout = timeout
      this.#watchdog = this.#watch()
    } else this.#timeout = timeout
    this.#sendProbe()
  }

  lose(reason: PortalError): void {
    if (this.#stopped) return
    this.stop()
    this.#loss.abort(reason)
  }

  /** For a session that is closed: it is no more looked after, and not lost. */
  stop(): void {
    this.#stopped = true
    this.#nextProbe.cancel()
    this.#watchdog.cancel()
  }

  #scheduleProbe(): Timer {
    return this.#timers.setTimeout(() => {
      this.#nextProbe = this.#scheduleProbe()
      this.#sendProbe()
    }, this.#timeout / PROBES)
  }

  #sendProbe(): void {
    const sentAt = this.#clock.monotonic()
    void this.#probe().then((answered) => {
      if (answered) this.#aliveAt = Math.max(this.#aliveAt, sentAt)
    })
  }

  #watch(): Timer {
    return this.#timers.setTimeout(() => {
      if (!this.#isSilent()) this.#watchdog = this.#watch()
      // An answer may have come while the event loop was blocked: it is looked for before the session is given up.
      else this.#timers.defer(() => this.#judge())
    }, this.#silentAt() - this.#clock.monotonic())
  }

  #judge(): void {
    if (this.#stopped) return
    if (!this.#isSilent()) {
      this.#watchdog = this.#watch()
      return
    }
    this.lose(
      new PortalError(
        'DISCONNECTED',
        `The ZooKeeper session ${this.id} is taken for lost: no answer for its timeout of ${this.#timeout} ms. ` +
          'ZooKeeper could not be reached, or the event loop of this process was blocked.',
      ),
    )
  }

  #isSilent(): boolean {
    return this.#clock.monotonic() >= this.#silentAt()
  }

  #silentAt(): number {
    return this.#aliveAt + this.#timeout
  }
}
