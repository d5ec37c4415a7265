import { PortalError } from '../../core/errors.js'
import type { Clock } from '../../runtime/runtime.js'

export interface QuotaLimits {
  readonly requestsPerSecond: number
  readonly bytesInFlight: number
}

/** How many that take nothing are remembered. */
const REMEMBERED = 10_000

/** What each caller takes, by the caller's name. Whoever takes nothing and has rested is forgotten. */
export class Quotas {
  readonly #clock: Clock
  readonly #limits: QuotaLimits
  /** Oldest use first. */
  readonly #shares = new Map<string, Share>()
  /** The last of them: it need not move. */
  #youngest: Share | undefined

  constructor(clock: Clock, limits: QuotaLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** Counts a request of a caller. Throws QUOTA_EXCEEDED. */
  request(caller: string): Usage {
    const share = this.#find(caller)
    share.request(this.#clock.monotonic(), this.#limits)
    return new Usage(share, this.#limits)
  }

  #find(caller: string): Share {
    if (this.#youngest?.caller === caller) return this.#youngest
    const known = this.#shares.get(caller)
    if (known) this.#shares.delete(caller)
    const share = known ?? new Share(caller, this.#limits, this.#clock.monotonic())
    this.#shares.set(caller, share)
    this.#youngest = share
    if (this.#shares.size > REMEMBERED) this.#forget()
    return share
  }

  /** The one not heard of for longest: its bucket has filled since, unless somebody makes up names by the thousand. */
  #forget(): void {
    for (const [caller, { bytes, uses }] of this.#shares) {
      if (bytes > 0 || uses > 0) continue
      this.#shares.delete(caller)
      if (this.#youngest?.caller === caller) this.#youngest = undefined
      return
    }
  }
}

/** A token bucket that holds two seconds' worth, and the bytes on their way. */
class Share {
  readonly caller: string
  bytes = 0
  uses = 0
  #tokens: number
  #at: number

  constructor(caller: string, { requestsPerSecond }: QuotaLimits, now: number) {
    this.caller = caller
    this.#tokens = requestsPerSecond * 2
    this.#at = now
  }

  request(now: number, { requestsPerSecond, bytesInFlight }: QuotaLimits): void {
    if (requestsPerSecond !== Number.POSITIVE_INFINITY) {
      const gained = ((now - this.#at) / 1_000) * requestsPerSecond
      this.#tokens = Math.min(requestsPerSecond * 2, this.#tokens + gained)
      this.#at = now
      if (this.#tokens < 1)
        throw exceeded(`${this.caller} sends more than ${requestsPerSecond} requests a second.`)
      this.#tokens--
    }
    if (this.bytes >= bytesInFlight) throw this.tooManyBytes(bytesInFlight)
  }

  tooManyBytes(limit: number): PortalError<'QUOTA_EXCEEDED'> {
    return exceeded(`${this.caller} has more than ${limit} bytes of bodies and answers on their way.`)
  }
}

/** What one request takes of its caller's share, until it is over. */
export class Usage {
  readonly #share: Share
  readonly #limits: QuotaLimits
  #bytes = 0
  #over = false

  constructor(share: Share, limits: QuotaLimits) {
    this.#share = share
    this.#limits = limits
    share.uses++
  }

  /** Throws QUOTA_EXCEEDED. */
  takeBody(bytes: number): void {
    this.takeAnswer(bytes)
    const { bytesInFlight } = this.#limits
    if (this.#share.bytes > bytesInFlight) throw this.#share.tooManyBytes(bytesInFlight)
  }

  /** What was done is answered, whatever it takes: the caller's next request is refused instead. */
  takeAnswer(bytes: number): void {
    if (this.#over) return
    this.#bytes += bytes
    this.#share.bytes += bytes
  }

  done(): void {
    if (this.#over) return
    this.#over = true
    this.#share.bytes -= this.#bytes
    this.#share.uses--
  }
}

function exceeded(what: string): PortalError<'QUOTA_EXCEEDED'> {
  return new PortalError('QUOTA_EXCEEDED', `${what} Try again in a second.`)
}
