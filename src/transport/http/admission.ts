import { isPortalError } from '../../core/errors.js'
import type { Logger } from '../../protocol/connection.js'
import type { Authorize } from '../../protocol/service.js'
import type { Clock } from '../../runtime/runtime.js'
import { identify, type ResolvedAuth } from './auth.js'
import type { HttpRequest } from './exchange.js'
import { type QuotaLimits, Quotas, type Usage } from './quota.js'
import { authorizeBy } from './rules.js'

/** A request that was let in. */
export interface Admission {
  /** Who asks, for logs; undefined: nobody knows. */
  readonly principal: string | undefined
  readonly authorize: Authorize | undefined
  /** Whether another broker passes it on. */
  readonly forwarded?: boolean | undefined
  /** Counts bytes of the body, as they come. Throws QUOTA_EXCEEDED when the caller has too many on their way. */
  takeBody(bytes: number): void
  /** Counts bytes of the answer. */
  takeAnswer(bytes: number): void
  /** Its answer is complete: nothing of it is on its way. May be called twice. */
  done(): void
}

/** Lets a request in; rejects with UNAUTHENTICATED, QUOTA_EXCEEDED, or DISCONNECTED when nobody can tell who it is. */
export type Admit = (request: HttpRequest) => Promise<Admission>

/** Refused requests per second that an address has. */
export const REFUSALS = 100

/** Everything may be done, and nothing is counted. */
export const OPEN: Admission = {
  principal: undefined,
  authorize: undefined,
  takeBody() {},
  takeAnswer() {},
  done() {},
}

/** Who comes in, what they may do, and how much of it: for any server. `auth` undefined: everybody, with a share per address. */
export function createAdmission(
  auth: ResolvedAuth | undefined,
  limits: QuotaLimits,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Admit {
  const quotas = new Quotas(clock, limits)
  const refusals = new Quotas(clock, { ...limits, requestsPerSecond: REFUSALS })
  return async (request) => {
    if (auth === undefined) return new Admitted(undefined, undefined, quotas.request(addressOf(request)))
    let principal: string
    try {
      principal = await identify(auth, request, logger)
    } catch (error) {
      if (isPortalError(error, 'UNAUTHENTICATED')) refusals.request(addressOf(request)).done()
      throw error
    }
    return new Admitted(principal, authorizeBy(auth.rules, principal), quotas.request(principal))
  }
}

class Admitted implements Admission {
  readonly principal: string | undefined
  readonly authorize: Authorize | undefined
  readonly #usage: Usage

  constructor(principal: string | undefined, authorize: Authorize | undefined, usage: Usage) {
    this.principal = principal
    this.authorize = authorize
    this.#usage = usage
  }

  takeBody(bytes: number): void {
    this.#usage.takeBody(bytes)
  }

  takeAnswer(bytes: number): void {
    this.#usage.takeAnswer(bytes)
  }

  done(): void {
    this.#usage.done()
  }
}

/** One caller's address: of IPv6 the network, since a caller has all of it. */
export function addressOf({ peer }: Pick<HttpRequest, 'peer'>): string {
  const { address } = peer
  if (address === undefined) return 'somebody'
  if (!address.includes(':')) return address
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (v4 !== undefined) return v4
  const [head = '', tail] = address.split('%', 1)[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length
  const all = [...groups, ...new Array<string>(Math.max(0, zeros)).fill('0'), ...after]
  return `${all.slice(0, 4).join(':')}::/64`
}
