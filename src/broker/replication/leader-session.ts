import type { FetchPosition, FetchRequest, PartitionName } from '../../protocol/peer-service.js'
import { logName } from '../hosting.js'
import type { Leading } from './leading.js'

/** A partition that this broker leads, for its followers. */
export interface ServedPartition {
  readonly log: string
  readonly epoch: number
  readonly leading: Leading
}

export type FindServed = (topicId: string, partition: number) => ServedPartition | undefined

/** Where a follower stands with one partition, by what it said last. */
export interface Asked {
  readonly position: FetchPosition
  /** Set while the leading half tells when there is more. */
  forget: (() => void) | undefined
}

/**
 * What one follower asks for here, as far as it has said. A partition is *due* when its position is new, something was appended there since it
 * was looked at, or the last look found something, which may have been lost on its way: only those are looked at.
 */
export class LeaderSession {
  readonly id: number
  /** The life of the follower. */
  readonly generation: number
  /** Of the last request. */
  #number = -1
  /** When the last request came, and when all partitions were looked at last (monotonic ms). */
  askedAt = Number.NEGATIVE_INFINITY
  lookedAt = Number.NEGATIVE_INFINITY
  readonly #find: FindServed
  readonly #asked = new Map<string, Asked>()
  /** Those that waited longest come first. */
  readonly #due = new Set<Asked>()
  readonly #waiting = new Set<() => void>()
  #rings = 0
  #isOver = false

  constructor(find: FindServed, id: number, generation: number) {
    this.#find = find
    this.id = id
    this.generation = generation
  }

  /** Takes in what a request says; false: it comes late. A copy of the last one changes nothing. */
  take({ partitions, session }: FetchRequest): boolean {
    const number = session?.number ?? 0
    if (number <= this.#number) return number === this.#number
    this.#number = number
    for (const name of session?.forgotten ?? []) this.#drop(nameOf(name))
    for (const position of partitions) {
      const name = nameOf(position)
      this.#drop(name)
      const asked = { position, forget: undefined }
      this.#asked.set(name, asked)
      this.#due.add(asked)
    }
    // Whoever waits with an earlier request is not heard any more.
    this.#ring()
    return true
  }

  /** Whether a request is the last one, and what it waits for still counts. */
  isCurrent(request: FetchRequest): boolean {
    return !this.#isOver && (request.session?.number ?? 0) === this.#number
  }

  /** How often there was something new here: an append, or a request. */
  get rings(): number {
    return this.#rings
  }

  get due(): readonly Asked[] {
    return [...this.#due]
  }

  /** All partitions are to be looked at, since each look tells the leader that its follower is there. */
  makeAllDue(): void {
    for (const asked of this.#asked.values()) this.#due.add(asked)
  }

  /** Before a look: what is appended from now on makes it due again. */
  begin(asked: Asked): void {
    this.#due.delete(asked)
    const { topicId, partition } = asked.position
    asked.forget ??= this.#find(topicId, partition)?.leading.onceAppended(() => {
      asked.forget = undefined
      this.#due.add(asked)
      this.#ring()
    })
  }

  /** Something was found. It stays due until the follower says that it has it. */
  found(asked: Asked): void {
    if (this.#asked.get(nameOf(asked.position)) === asked) this.#due.add(asked)
  }

  /** Calls back once, when there is something new. Returns what forgets it. */
  onceRung(callback: () => void): () => void {
    this.#waiting.add(callback)
    return () => this.#waiting.delete(callback)
  }

  /** Nobody asks in it any more. */
  close(): void {
    this.#isOver = true
    for (const name of [...this.#asked.keys()]) this.#drop(name)
    this.#ring()
  }

  #drop(name: string): void {
    const asked = this.#asked.get(name)
    if (asked === undefined) return
    this.#asked.delete(name)
    this.#due.delete(asked)
    asked.forget?.()
  }

  #ring(): void {
    this.#rings++
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}

function nameOf({ topicId, partition }: PartitionName): string {
  return logName(topicId, partition)
}
