import { abortedError, PortalError } from '../core/errors.js'
import { OffsetSet } from '../core/offset-set.js'
import { checkRanges } from '../core/ranges.js'
import type {
  CallOptions,
  HeldToken,
  ReceiveRequest,
  ReceiveResponse,
  SettleRequest,
  SettleResponse,
} from '../protocol/service.js'
import type { Runtime } from '../runtime/runtime.js'
import { waitForWork } from './hints.js'
import type { Partition } from './partition.js'
import { ReceiveWait } from './receive-wait.js'
import type { SettlePart } from './settling.js'
import type { Topic } from './topic.js'
import type { Dispatcher } from './waiters.js'

/** How long leasing what is there may take when nobody wants to wait (ms). */
const LEASING = 250

export function groupMoved(topic: string, group: string): PortalError<'GROUP_NOT_FOUND'> {
  return new PortalError(
    'GROUP_NOT_FOUND',
    `Group ${group} of topic ${topic} was deleted or moved. Join it again.`,
  )
}

/** Leases messages to a consumer, or lets it sleep until there are some. Throws what it refuses at once. */
export function receive(
  topic: Topic,
  request: ReceiveRequest,
  { signal }: CallOptions,
  runtime: Runtime,
  local: boolean,
): Promise<ReceiveResponse> {
  checkReceive(request)
  const dispatcher = topic.dispatchers.get(request.group)
  if (!dispatcher || dispatcher.generation !== request.generation) throw groupMoved(topic.name, request.group)
  if (request.held) giveBackUnknown(topic, dispatcher, request, request.held)
  if (request.hint) return waitForWork(dispatcher, request, { signal }, runtime)
  // Not waiting means: no longer than it takes to lease what is there.
  const timeout = request.wait === 0 && dispatcher.hasWork() ? LEASING : request.wait
  if (signal?.aborted) throw abortedError('receive', signal)
  return new Promise(
    (resolve, reject) =>
      void new ReceiveWait(dispatcher, request, local, runtime, timeout, signal, resolve, reject),
  )
}

/** Answers were lost on their way: what was granted and never seen goes back, uncounted, and so will what is granted yet. */
function giveBackUnknown(
  topic: Topic,
  dispatcher: Dispatcher,
  { group, generation, consumer }: ReceiveRequest,
  known: readonly HeldToken[],
): void {
  dispatcher.endReceives(consumer)
  const keyOf = (partition: number, { epoch, index, slot }: HeldToken['token']) =>
    `${partition}/${epoch}/${index}/${slot}`
  const keys = new Set(known.map(({ partition, token }) => keyOf(partition, token)))
  for (const partition of topic.partitions) {
    const leases = partition.state.queues.get(group)?.leases.values() ?? []
    const parts: SettlePart[] = []
    for (const lease of leases) {
      if (lease.consumer !== consumer || keys.has(keyOf(partition.partition, lease.key))) continue
      const ranges = lease.terms
        .reduce((all, term) => {
          term.offsets.forEachRange((start, end) => void all.add(start, end))
          return all
        }, new OffsetSet())
        .ranges()
      parts.push({ token: lease.key, outcome: 'release', ranges, delay: undefined, reason: undefined })
    }
    if (parts.length === 0) continue
    const nobody = () => {}
    partition.settle({
      group,
      generation,
      consumer,
      isHeard: true,
      number: undefined,
      parts,
      answer: nobody,
      fail: nobody,
    })
  }
}

function checkReceive(request: ReceiveRequest): void {
  const whole = (value: number, name: string, least: number) => {
    if (Number.isInteger(value) && value >= least) return
    throw new PortalError(
      'INVALID_ARGUMENT',
      `${name} must be a whole number of at least ${least}, not ${value}.`,
    )
  }
  whole(request.maxMessages, 'maxMessages', 1)
  whole(request.maxBytes, 'maxBytes', 1)
  whole(request.lease, 'lease', 1)
}

/** Ends or extends leases; each partition answers for its own. */
export async function settle(
  topic: Topic,
  find: (partition: number) => Partition,
  request: SettleRequest,
  local: boolean,
): Promise<SettleResponse> {
  // Before any partition is asked: what one of them refuses would be an error that nobody hears.
  if (!topic.groups.has(request.group)) {
    // Who does not lead it (any more, or since it was started again) knows nothing of its groups.
    const elsewhere = request.settlements.find(
      ({ partition }) => partition < topic.document.partitions && topic.partition(partition) === undefined,
    )
    if (elsewhere) find(elsewhere.partition)
    throw groupMoved(topic.name, request.group)
  }
  const lost: (readonly number[])[] = new Array(request.settlements.length)
  const byPartition = new Map<number, { parts: SettlePart[]; places: number[] }>()
  request.settlements.forEach((settlement, place) => {
    checkRanges(settlement.ranges)
    let share = byPartition.get(settlement.partition)
    if (!share) {
      share = { parts: [], places: [] }
      byPartition.set(settlement.partition, share)
    }
    share.parts.push({
      token: settlement.token,
      outcome: settlement.outcome,
      ranges: settlement.ranges,
      delay: settlement.delay,
      reason: settlement.reason,
    })
    share.places.push(place)
  })
  const settled = [...byPartition].map(
    ([partition, { parts, places }]) =>
      new Promise<void>((resolve, reject) => {
        find(partition).settle({
          group: request.group,
          generation: request.generation,
          consumer: request.consumer,
          isHeard: true,
          number: local ? undefined : request.number,
          parts,
          answer(answers) {
            places.forEach((place, at) => {
              lost[place] = answers[at] ?? []
            })
            resolve()
          },
          fail: reject,
        })
      }),
  )
  await Promise.all(settled)
  return { lost }
}
