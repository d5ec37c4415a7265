import { type Candidate, type Office, standForElection } from '../../coordination/election.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import type { ClusterCommand, CommandResponse, PushedDocument } from '../../protocol/peer-service.js'
import { pause } from '../../runtime/pause.js'
import { type ControllerSettings, DEFAULT_CONTROLLER_SETTINGS } from './controller-settings.js'
import { ControllerTerm, type ControllerTermParts } from './controller-term.js'
import { Ending } from './ending.js'
import { nextTry } from './timing.js'

export interface ControllerParts extends Omit<ControllerTermParts, 'settings'> {
  readonly settings?: Partial<ControllerSettings> | undefined
}

/**
 * A broker's part in controlling the cluster: stands for election for as long as its session lives, and while it is in office, decides. A
 * new session needs a new object.
 */
export class Controller {
  readonly #parts: ControllerTermParts
  readonly #candidate: Candidate
  readonly #closing = new AbortController()
  readonly #over = new Ending()
  readonly #done: Promise<void>
  #office: Office | undefined
  #term: ControllerTerm | undefined

  constructor({ settings, ...parts }: ControllerParts) {
    this.#parts = { ...parts, settings: { ...DEFAULT_CONTROLLER_SETTINGS, ...settings } }
    const { broker, storage, generation } = parts.self
    this.#candidate = { broker, storage, generation }
    this.#done = this.#run()
  }

  /** The term in which this broker is the controller; undefined: it is not. */
  get term(): number | undefined {
    return this.#term?.term
  }

  /** What leaders wrote themselves. NOT_LEADER if this broker is not the controller; CORRUPT for what is no such document. */
  report(documents: readonly PushedDocument[]): void {
    this.#inOffice().report(documents)
  }

  /**
   * Carries out what an administrator asks. NOT_LEADER if this broker is not the controller; INVALID_ARGUMENT for a broker that there is not;
   * NOT_ENOUGH_REPLICAS if nobody can be elected; DISCONNECTED: unknown, ask again.
   */
  async command(command: ClusterCommand): Promise<CommandResponse> {
    return this.#inOffice().command(command)
  }

  /** Leaves the office and stands no more. Resolves when another can have it. May be called twice. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#over.end()
    await this.#office?.resign()
    await this.#done
  }

  async #run(): Promise<void> {
    const { store, runtime, onError } = this.#parts
    const { timers, random } = runtime
    const { signal } = this.#closing
    for (let failures = 1; !this.#isOver(); failures++) {
      try {
        const office = await standForElection({ store, timers, random }, this.#candidate, signal)
        failures = 1
        await this.#serve(office)
      } catch (error) {
        if (this.#isOver()) return
        if (!isPortalError(error, 'DISCONNECTED')) onError(error)
      }
      if (!this.#isOver()) await pause(timers, nextTry(failures, random), this.#over.signal)
    }
  }

  async #serve(office: Office): Promise<void> {
    this.#office = office
    try {
      if (this.#isOver()) return
      this.#term = new ControllerTerm(this.#parts, office)
      await this.#term.run()
    } finally {
      this.#term = undefined
      this.#office = undefined
      await office.resign()
    }
  }

  #isOver(): boolean {
    return this.#closing.signal.aborted || this.#parts.store.session.lost.aborted
  }

  #inOffice(): ControllerTerm {
    if (this.#term !== undefined && !this.#office?.lost.aborted) return this.#term
    throw new PortalError(
      'NOT_LEADER',
      `The broker ${this.#candidate.broker} is not the controller of the cluster.`,
    )
  }
}
