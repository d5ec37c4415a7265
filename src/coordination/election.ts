import { PortalError } from '../core/errors.js'
import { onAbort } from '../runtime/on-abort.js'
import type { Random, Timers } from '../runtime/runtime.js'
import type { CoordinationStore } from './coordination.js'
import { DocumentStore } from './document-store.js'
import { type ControllerDocument, controllerKind, paths } from './documents.js'
import { LockPlace } from './lock-queue.js'
import { WaitLimit } from './wait-limit.js'

export interface ElectionParts {
  readonly store: CoordinationStore
  readonly timers: Timers
  readonly random: Random
}

/** Who stands for election. */
export type Candidate = Pick<ControllerDocument, 'broker' | 'storage' | 'generation'>

/**
 * Waits until all who stood before are gone, and takes office in a term higher than every one before. Only the one that comes next is woken
 * when an office ends (no herd).
 *
 * ABORTED by the signal. DISCONNECTED: the session is lost, or it is unknown what was done; stand again, in a new session if so.
 */
export async function standForElection(
  parts: ElectionParts,
  candidate: Candidate,
  signal?: AbortSignal,
): Promise<Office> {
  const place = new LockPlace(parts, 'controller', paths.elections)
  const limit = new WaitLimit(parts.timers, { what: 'Standing for election', wait: Infinity, signal })
  const { lost } = parts.store.session
  const forget = onAbort(lost, () => limit.endWith(sessionLost(lost.reason)))
  try {
    if (limit.end === undefined) await place.join()
    await place.turn(limit)
    if (limit.end !== undefined) throw limit.end
    const documents = new DocumentStore(parts.store, { writer: candidate.broker, random: parts.random })
    const document = await raiseTerm(documents, candidate)
    // Asked after the term was raised: whoever comes first later raises it again, and this office knows that it is over.
    if (!(await place.isKept())) throw sessionLost(undefined)
    return new Office(parts.store, documents, place, document)
  } catch (error) {
    void place.leave()
    throw error
  } finally {
    forget()
    limit.dispose()
  }
}

/** The right to decide for the cluster, for one term. */
export class Office {
  readonly term: number
  readonly #documents: DocumentStore
  readonly #place: LockPlace
  readonly #loss = new AbortController()
  readonly #stopWatching: () => void
  #forget = (): void => {}
  #document: ControllerDocument

  constructor(
    store: CoordinationStore,
    documents: DocumentStore,
    place: LockPlace,
    document: ControllerDocument,
  ) {
    this.term = document.term
    this.#documents = documents
    this.#place = place
    this.#document = document
    this.#stopWatching = store.watch(paths.controller, () => void this.confirm().catch(() => {}))
    this.#forget = onAbort(store.session.lost, () => this.#lose(sessionLost(store.session.lost.reason)))
  }

  /** Aborts when the office is over, for whatever reason. What was decided before may still be under way: the term tells. */
  get lost(): AbortSignal {
    return this.#loss.signal
  }

  /** Whether a rebalance was asked for that is not done. */
  get rebalancing(): boolean {
    return this.#document.rebalancing ?? false
  }

  /** Asks the store whether this term is still the last. */
  async confirm(): Promise<boolean> {
    if (this.lost.aborted) return false
    const current = (await this.#documents.read(controllerKind, paths.controller))?.document
    if (current?.term !== this.term) this.#lose(deposed(this.term, current))
    return !this.lost.aborted
  }

  /** Notes, for whoever is the controller next, whether there is a rebalance to go on with. DISCONNECTED if the office is over. */
  async setRebalancing(rebalancing: boolean): Promise<void> {
    const change = await this.#documents.change(controllerKind, paths.controller, (current) => {
      if (current.term !== this.term) this.#lose(deposed(this.term, current))
      if (this.lost.aborted || (current.rebalancing ?? false) === rebalancing) return undefined
      return { ...current, rebalancing }
    })
    if (this.lost.aborted || change === undefined) throw deposed(this.term, change?.document)
    this.#document = change.document
  }

  /** Gives the office up; resolves when the next one can have it. May be called twice. */
  resign(): Promise<void> {
    this.#lose(new PortalError('CLOSED', 'The controller has resigned.'))
    return this.#place.leave()
  }

  #lose(reason: PortalError): void {
    if (this.#loss.signal.aborted) return
    this.#stopWatching()
    this.#forget()
    this.#loss.abort(reason)
    // Should the session live on, the next in line must not wait for it.
    void this.#place.leave()
  }
}

async function raiseTerm(documents: DocumentStore, candidate: Candidate): Promise<ControllerDocument> {
  const { broker, storage, generation } = candidate
  const first: ControllerDocument = { broker, storage, generation, term: 1 }
  if (await documents.create(controllerKind, paths.controller, first)) return first
  const change = await documents.change(controllerKind, paths.controller, (current) => {
    return { ...current, broker, storage, generation, term: current.term + 1 }
  })
  if (change) return change.document
  throw new PortalError(
    'DISCONNECTED',
    `The coordination node ${paths.controller} was removed just now: try again.`,
  )
}

function deposed(term: number, current: ControllerDocument | undefined): PortalError {
  const by = current ? `${current.broker} is the controller in term ${current.term}` : 'its node is gone'
  return new PortalError('DISCONNECTED', `The controller's term ${term} is over: ${by}.`)
}

function sessionLost(cause: unknown): PortalError {
  return new PortalError(
    'DISCONNECTED',
    "The broker's coordination session was lost, and its office with it.",
    {
      cause,
    },
  )
}
