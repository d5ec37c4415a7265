import { isPortalError, PortalError } from '../core/errors.js'
import { type Random, randomId, type Timers } from '../runtime/runtime.js'
import type { CoordinationStore } from './coordination.js'
import { nodeName, sequenceOf } from './paths.js'
import type { WaitLimit } from './wait-limit.js'

export const LOCKS_PATH = '/locks'

/** How long a place that could not be given up is left before it is tried again, in milliseconds. */
const LEAVE_RETRY = 500

export interface LockQueueParts {
  readonly store: CoordinationStore
  readonly timers: Timers
  readonly random: Random
}

export interface LockToken {
  /** Higher than that of every holder before, of any lock, across restarts: a fencing token. */
  readonly token: number
}

/**
 * A place in the queue of a lock: an ephemeral sequential node under /locks/<name>. Who has the lowest number has the lock.
 * Each place watches only the one before it, so that a lock that comes free wakes one waiter and not all (no herd).
 */
export class LockPlace {
  readonly #parts: LockQueueParts
  readonly #folder: string
  /** In the node's name: tells whose a node is when the answer to its creation was lost. */
  readonly #mark: string
  #path: string | undefined
  #left: Promise<void> | undefined

  constructor(parts: LockQueueParts, name: string, above: string = LOCKS_PATH) {
    this.#parts = parts
    this.#folder = `${above}/${name}`
    this.#mark = randomId(parts.random, 8)
  }

  /** Whether anybody holds or waits for the lock. */
  async isContended(): Promise<boolean> {
    return (await this.#parts.store.children(this.#folder)).length > 0
  }

  /** Takes the last place. After an error, `leave` still has to be called: the node may be there. */
  async join(): Promise<void> {
    const options = { ephemeral: true, sequential: true }
    try {
      this.#path = await this.#parts.store.create(`${this.#folder}/${this.#mark}`, NO_DATA, options)
    } catch (error) {
      if (!isPortalError(error, 'DISCONNECTED')) throw error
      this.#path = await this.#find()
      if (this.#path === undefined) throw error
    }
  }

  /** Waits until this place is the first. Resolves to whether it is; false once the limit has ended. */
  async turn(limit: WaitLimit): Promise<boolean> {
    while (limit.end === undefined) {
      const before = await this.#predecessor()
      if (before === undefined) return true
      if (limit.wait === 0) return false
      await this.#gone(before, limit)
    }
    return false
  }

  /** Whether the node is still there, and of this session: the lock is held no longer than that. */
  async isKept(): Promise<boolean> {
    if (this.#path === undefined || this.#left !== undefined) return false
    const node = await this.#parts.store.read(this.#path)
    return node?.owner === this.#parts.store.session.id
  }

  /**
   * Gives the place up. Resolves when it is gone, however long that takes: a node left behind would block the lock for as
   * long as the session lives.
   */
  leave(): Promise<void> {
    this.#left ??= this.#leave()
    return this.#left
  }

  async #leave(): Promise<void> {
    const { store, timers } = this.#parts
    while (!store.session.lost.aborted) {
      try {
        const path = this.#path ?? (await this.#findAfterWrite())
        // Sent together: of a lock that nobody waits for nothing is kept. With others in it the folder stays.
        await Promise.all([path && store.delete(path), store.delete(this.#folder)])
        return
      } catch (error) {
        // Anything else than an unknown outcome means that the session is over, and the node with it.
        if (!isPortalError(error, 'DISCONNECTED', 'TIMEOUT')) return
      }
      await new Promise<void>((resolve) => void timers.setTimeout(resolve, LEAVE_RETRY))
    }
  }

  /** Certain, as nobody looks again: a server that answers reads may be behind, but has seen all that came before a write that it answers. */
  async #findAfterWrite(): Promise<string | undefined> {
    const isEmptied = await this.#parts.store.delete(this.#folder)
    return isEmptied ? undefined : this.#find()
  }

  async #find(): Promise<string | undefined> {
    const names = await this.#parts.store.children(this.#folder)
    const name = names.find((candidate) => candidate.startsWith(`${this.#mark}-`))
    return name && `${this.#folder}/${name}`
  }

  /** The path of the place before this one; undefined for the first. */
  async #predecessor(): Promise<string | undefined> {
    const own = this.#path ?? ''
    const names = await this.#parts.store.children(this.#folder)
    const number = sequenceOf(own) ?? -1
    let nearest = -1
    let before: string | undefined
    let present = false
    for (const name of names) {
      const other = sequenceOf(name) ?? -1
      if (other === number) present ||= name === nodeName(own)
      else if (other < number && other > nearest) {
        nearest = other
        before = name
      }
    }
    if (!present)
      throw new PortalError('DISCONNECTED', `The place in the queue of ${this.#folder} was lost: try again.`)
    return before && `${this.#folder}/${before}`
  }

  /** Resolves once the node is gone, or the limit has ended. */
  async #gone(path: string, limit: WaitLimit): Promise<void> {
    const { store } = this.#parts
    let changed = false
    let wake = () => {}
    const stopWatching = store.watch(path, () => {
      changed = true
      wake()
    })
    const forget = limit.onEnd(() => wake())
    try {
      // Armed first, read then: a change in between is not missed.
      while (limit.end === undefined && (await store.read(path)) !== undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
          if (changed || limit.end !== undefined) resolve()
        })
        changed = false
      }
    } finally {
      stopWatching()
      forget()
    }
  }
}

const NO_DATA = new Uint8Array(0)
