import type { Grant, SettleItem } from '../../src/core/entry-body.js'
import { isPortalError } from '../../src/core/errors.js'
import type { HeldToken, ReceiveResponse } from '../../src/protocol/service.js'
import { decodeReceiveRequest, decodeReceiveResponse } from '../../src/protocol/wire/receive.js'
import { decodeSettleRequest } from '../../src/protocol/wire/settle.js'
import { decodeStreamRequest, FrameReader } from '../../src/protocol/wire/stream.js'
import { WIRE_TYPE } from '../../src/protocol/wire/wire.js'
import type { SendRequest } from '../../src/transport/http/client/send.js'
import { offsetsOf } from '../unit/queue-model/rig.js'
import { tokenName } from './group-audit.js'
import type { ExchangeWatcher } from './network.js'
import { check } from './violation.js'

/** How long it may take from a lease's beginning, as its leader counts it, to its writing (ms): two slow commits. */
const WRITING = 3_000
/** After this no request is under way that was when a lease began (ms): the longest wait of one, its timeout, the longest delays. */
const UNDER_WAY = 60_000

interface SeenLease {
  readonly consumer: string
  readonly life: number | undefined
  readonly writtenAt: number
  /** Offset -> when it ends, counted from the writing. */
  readonly ends: Map<number, number>
  /** The answer with it has come to its consumer. */
  hasArrived: boolean
}

interface SeenStream {
  /** The most that its consumer may hold. */
  readonly limit: number
  /** Messages that the broker was allowed to send, and that have come. */
  told: number
  come: number
}

/** What a consumer said that it holds, and the broker heard. */
interface Claim {
  readonly life: number | undefined
  readonly at: number
  readonly held: ReadonlySet<string>
}

/**
 * Watches the leases of consumers at the other end of the network: what a lost answer granted must come back, and no failure may be counted that
 * nobody had.
 */
export class NetworkAudit {
  /** The groups whose consumers are watched. */
  readonly groups = new Set<string>()
  readonly #now: () => number
  readonly #life: () => number | undefined
  readonly #isLeased: (log: string, token: string) => boolean
  /** `log token` -> the lease. */
  readonly #leases = new Map<string, SeenLease>()
  /** `log group offset` of what a handler failed, ever. */
  readonly #failed = new Set<string>()
  /** `log group offset` -> how many deliveries ended so that they count: in any generation of the group, lost ones among them. */
  readonly #deliveries = new Map<string, number>()
  /** Consumer -> the last claim that was served. */
  readonly #claims = new Map<string, Claim>()
  readonly #streams = new Map<string, SeenStream>()
  /** Consumer -> when it sent the latest request whose answer came. */
  readonly #heardFrom = new Map<string, number>()
  /** `log offset` of all that was ever trimmed: what a loss of power brings back may have been missed. */
  readonly #trimmed = new Set<string>()

  /**
   * `life`: which life of the one broker it is. Undefined: there are several, each knows some leases, and what became of one is known late; then nothing is
   * concluded from who said what to whom, nor from when a lease ended. `isLeased`: whether the log has this lease.
   */
  constructor({
    now,
    life,
    isLeased,
  }: {
    readonly now: () => number
    readonly life: () => number | undefined
    readonly isLeased: (log: string, token: string) => boolean
  }) {
    this.#isLeased = isLeased
    this.#now = now
    this.#life = life
  }

  // What clients say ---------------------------------------------------------------------------------------------------

  /** A handler is about to fail it. */
  fails(log: string, group: string, offset: number): void {
    this.#failed.add(`${log} ${group} ${offset}`)
  }

  /** A message was handed out with this count of deliveries. */
  handedOut(log: string, group: string, offset: number, deliveryCount: number): void {
    const ended = this.#deliveries.get(`${log} ${group} ${offset}`) ?? 0
    check(
      deliveryCount <= ended + 1,
      () =>
        `${log} ${offset} comes to ${group} as delivery ${deliveryCount}, and only ${ended} have ended in the log`,
    )
  }

  wasTrimmed(log: string, offset: number): boolean {
    return this.#trimmed.has(`${log} ${offset}`)
  }

  // What crosses the network -------------------------------------------------------------------------------------------

  /** Credit is for what its consumer has room for (invariant 28). */
  sent({ path, body, headers }: SendRequest): void {
    const raised = /^\/streams\/([^/]+)\/credit$/.exec(path)
    if (raised) this.#allowed(raised[1]!, JSON.parse(String(body)).messages)
    if (headers['content-type'] !== WIRE_TYPE || !(body instanceof Uint8Array)) return
    if (path.endsWith('/settle')) {
      const { credit } = decodeSettleRequest(body)
      if (credit) this.#allowed(credit.stream, credit.messages)
    } else if (path.endsWith('/stream')) {
      const { stream, consumer, credit } = decodeStreamRequest(body)
      this.#streams.set(stream, { limit: limitOf(consumer), told: 0, come: 0 })
      this.#allowed(stream, credit.messages)
    }
  }

  #allowed(id: string, messages: number): void {
    const stream = this.#streams.get(id)!
    const most = stream.come + stream.limit
    check(
      messages <= most,
      () => `[28] stream ${id} may bring ${messages}, its consumer has room for ${most}`,
    )
    stream.told = Math.max(stream.told, messages)
  }

  arrived({ path, body, headers }: SendRequest, sentAt: number): ExchangeWatcher | undefined {
    if (headers['content-type'] !== WIRE_TYPE || !(body instanceof Uint8Array)) return undefined
    if (path.endsWith('/receive')) {
      const { topicId, consumer, held } = decodeReceiveRequest(body)
      const served = this.#claim(topicId, consumer, held)
      return {
        served,
        heard: (bytes) => this.#heard(topicId, consumer, sentAt, decodeReceiveResponse(bytes)),
      }
    }
    if (!path.endsWith('/stream')) return undefined
    const { topicId, consumer, held, stream } = decodeStreamRequest(body)
    const frames = new FrameReader()
    const heard = (piece: Uint8Array): void => {
      try {
        for (const answer of frames.push(piece)) {
          this.#came(stream, answer)
          this.#heard(topicId, consumer, sentAt, answer)
        }
      } catch (error) {
        // The stream ends with a failure: the client hears of it, too.
        if (!isPortalError(error)) throw error
      }
    }
    return { served: this.#claim(topicId, consumer, held), heard }
  }

  #claim(topicId: string, consumer: string, held: readonly HeldToken[] | undefined): () => void {
    if (held === undefined) return () => {}
    const names = held.map(({ partition, token }) => `${topicId}/${partition} ${tokenName(token)}`)
    const claim: Claim = { life: this.#life(), at: this.#now(), held: new Set(names) }
    return () => {
      if ((this.#claims.get(consumer)?.at ?? -1) < claim.at) this.#claims.set(consumer, claim)
    }
  }

  #came(id: string, { deliveries }: ReceiveResponse): void {
    const stream = this.#streams.get(id)!
    for (const { batches } of deliveries)
      for (const { ranges } of batches) stream.come += offsetsOf(ranges).length
    const { come, told } = stream
    check(come <= told, () => `[28] stream ${id} brought ${come} messages, and was allowed ${told}`)
  }

  #heard(topicId: string, consumer: string, sentAt: number, { deliveries }: ReceiveResponse): void {
    this.#heardFrom.set(consumer, Math.max(this.#heardFrom.get(consumer) ?? 0, sentAt))
    for (const { partition, token } of deliveries) {
      const log = `${topicId}/${partition}`
      const name = tokenName(token)
      check(this.#isLeased(log, name), () => `[10] ${log}: a delivery under ${name}, which is not in the log`)
      const lease = this.#leases.get(`${log} ${name}`)
      if (lease) lease.hasArrived = true
    }
  }

  // What the log says --------------------------------------------------------------------------------------------------

  leased(log: string, token: string, { group, consumer, duration, ranges }: Grant): void {
    if (!this.groups.has(group)) return
    const writtenAt = this.#now()
    const ends = new Map(offsetsOf(ranges).map((offset) => [offset, writtenAt + duration]))
    this.#leases.set(`${log} ${token}`, { consumer, life: this.#life(), writtenAt, ends, hasArrived: false })
  }

  trimmed(log: string, offset: number): void {
    this.#trimmed.add(`${log} ${offset}`)
  }

  settled(log: string, { group, lease: key, change, ranges }: SettleItem): void {
    const lease = key && this.#leases.get(`${log} ${tokenName(key)}`)
    if (!lease) return
    const isFailure = change.type === 'retry' || change.type === 'rejected' || change.type === 'discarded'
    const isSilent = change.type === 'suspected' || (isFailure && change.reason.startsWith('its '))
    for (const offset of offsetsOf(ranges)) {
      const name = `${log} ${offset}, leased to ${lease.consumer} of ${group}`
      if (change.type === 'extended') lease.ends.set(offset, this.#now() + change.duration)
      if (isSilent) this.#checkSilence(`${log} ${tokenName(key)}`, lease, offset, name)
      if (!isFailure && !isSilent) continue
      const place = `${log} ${group} ${offset}`
      check(isSilent || this.#failed.has(place), () => `${name}, has failed, and no handler failed it`)
      this.#deliveries.set(place, (this.#deliveries.get(place) ?? 0) + 1)
    }
  }

  /** A lease ended without a word: its time must be over, and its consumer must not have had a chance to give it back. */
  #checkSilence(key: string, lease: SeenLease, offset: number, name: string): void {
    if (this.#life() === undefined) return
    const end = lease.ends.get(offset)!
    check(
      this.#now() >= end - WRITING,
      () => `${name}, has its lease ended ${end - this.#now()} ms too early`,
    )
    const claim = this.#claims.get(lease.consumer)
    const isUnclaimed =
      claim !== undefined &&
      claim.life === lease.life &&
      claim.life === this.#life() &&
      lease.writtenAt < claim.at &&
      !claim.held.has(key)
    check(!isUnclaimed, () => `${name}, was not given back when the consumer said that it does not hold it`)
    const asked = (this.#heardFrom.get(lease.consumer) ?? 0) > lease.writtenAt + UNDER_WAY
    check(
      lease.hasArrived || !asked,
      () =>
        `${name}, was lost on its way at ${lease.writtenAt}, and the consumer asked on without a word of it`,
    )
  }
}

/** How many messages a consumer may hold: its name says so. */
function limitOf(consumer: string): number {
  return Number(/^holds(\d+)-/.exec(consumer)?.[1] ?? Number.POSITIVE_INFINITY)
}
