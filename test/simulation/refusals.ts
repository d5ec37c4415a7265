import type { StoredEntry } from '../../src/core/entry.js'
import { isPortalError } from '../../src/core/errors.js'
import type { BrokerService } from '../../src/protocol/service.js'
import { Violation } from './violation.js'

/**
 * What brokers say of the batches that they are sent, by what they append of these: NOT_LEADER says of one that it is not stored, so it is no word
 * for what was appended and is not committed yet (invariant 16).
 */
export class Refusals {
  readonly #fail: (violation: Violation) => void
  /** By the bytes of one try, which are nobody else's: where they were appended. */
  readonly #places = new WeakMap<Uint8Array, string>()

  constructor(fail: (violation: Violation) => void) {
    this.#fail = fail
  }

  /** Whoever serves as a broker, watched. */
  watch(broker: string, service: BrokerService): BrokerService {
    const produce: BrokerService['produce'] = async (request, call) => {
      const response = await service.produce(request, call)
      for (const [at, { error }] of response.results.entries()) {
        const place = this.#places.get(request.batches[at]!.records)
        if (place !== undefined && isPortalError(error, 'NOT_LEADER'))
          this.#fail(
            new Violation(`[16] ${broker} says NOT_LEADER of a batch that it has appended: ${place}`),
          )
      }
      return response
    }
    return new Proxy(service, {
      get: (target, name) => {
        if (name === 'produce') return produce
        const found = Reflect.get(target, name)
        return typeof found === 'function' ? found.bind(target) : found
      },
    })
  }

  /** A leader has written messages. */
  appended(log: string, { index, epoch, payload }: StoredEntry): void {
    this.#places.set(payload, `${log} ${index}@${epoch}`)
  }
}
