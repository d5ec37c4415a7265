import type { MetricFamily } from '../../protocol/metrics.js'
import { diagnostics } from '../../runtime/diagnostics.js'
import { type Runtime, randomId } from '../../runtime/runtime.js'
import type { HttpRequest, HttpResponse } from './exchange.js'

/** What becomes known of a request while it is served. */
export interface SeenRequest {
  /** Its own, taken over from the caller if that is fit for a log line. */
  readonly id: string
  /** When it came, if anybody wants to know (monotonic ms). */
  readonly began: number | undefined
  /** The route's pattern. */
  route: string
  principal: string | undefined
}

/** Whatever else comes as x-request-id could forge a log line, or fill one. */
const FIT_ID = /^[A-Za-z0-9._:@/+=-]{1,128}$/
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Names and counts the requests of one server, and tells whoever listens. */
export class RequestWatch {
  readonly #runtime: Runtime
  /** Ids that are made here: unlike those of other servers, and cheaper than randomness for each. */
  readonly #prefix: string
  #number = 0
  #underWay = 0
  /** By method, route and status: as many as there are routes and answers, whatever is asked for. */
  readonly #counts = new Map<string, Map<string, Map<number, Count>>>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
    this.#prefix = randomId(runtime.random, 6)
  }

  begin(request: HttpRequest): SeenRequest {
    const given = request.header('x-request-id')
    const id =
      given !== undefined && FIT_ID.test(given) ? given : `${this.#prefix}-${(++this.#number).toString(36)}`
    const began = diagnostics.httpRequest.hasSubscribers ? this.#runtime.clock.monotonic() : undefined
    this.#underWay++
    return { id, began, route: '', principal: undefined }
  }

  /** The answer, which carries its request's id. */
  end(request: HttpRequest, seen: SeenRequest, answer: HttpResponse): HttpResponse {
    const { id, began, route } = seen
    this.#underWay--
    this.#count(request.method, route, answer.status)
    if (began !== undefined) tell(request, seen, answer.status, this.#runtime.clock.monotonic() - began)
    answer.headers['x-request-id'] = id
    return answer
  }

  families(): readonly MetricFamily[] {
    return [
      {
        name: 'portal_mq_http_requests_total',
        help: 'Requests answered, by route and status.',
        type: 'counter',
        samples: [...this.#samples()],
      },
      {
        name: 'portal_mq_http_requests_under_way',
        help: 'Requests that wait for their answer, those that sleep until there is a message among them.',
        type: 'gauge',
        samples: [{ labels: {}, value: this.#underWay }],
      },
    ]
  }

  #count(asked: string, route: string, status: number): void {
    const method = METHODS.has(asked) ? asked : 'other'
    const count = this.#counts.get(route)?.get(method)?.get(status)
    if (count !== undefined) {
      count.value++
      return
    }
    const byMethod = this.#counts.get(route) ?? new Map<string, Map<number, Count>>()
    const byStatus = byMethod.get(method) ?? new Map<number, Count>()
    this.#counts.set(route, byMethod.set(method, byStatus.set(status, { value: 1 })))
  }

  *#samples(): Iterable<MetricFamily['samples'][number]> {
    for (const [route, byMethod] of this.#counts) {
      for (const [method, byStatus] of byMethod) {
        for (const [status, { value }] of byStatus)
          yield { labels: { method, route: route === '' ? 'none' : route, status: String(status) }, value }
      }
    }
  }
}

interface Count {
  value: number
}

function tell(
  { method, path }: HttpRequest,
  { id, route, principal }: SeenRequest,
  status: number,
  duration: number,
): void {
  diagnostics.httpRequest.publish({ id, method, route, path, status, duration, principal })
}
