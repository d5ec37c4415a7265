import type { ProduceRequest, ProduceResponse, ProduceResult } from '../../protocol/service.js'
import { diagnostics } from '../../runtime/diagnostics.js'
import type { Clock } from '../../runtime/runtime.js'

interface Watching {
  readonly brokerId: string
  readonly clock: Clock
  readonly nameOf: (topicId: string) => string | undefined
}

/** Tells of a request's batches once they are answered. Only for when somebody listens. */
export async function watchProduce(
  request: ProduceRequest,
  answer: Promise<ProduceResponse>,
  { brokerId, clock, nameOf }: Watching,
): Promise<ProduceResponse> {
  const began = clock.monotonic()
  const response = await answer
  const batches = request.batches.map(({ topicId, partition, records }, at) => {
    const result = response.results[at]!
    const messages = acceptedIn(result)
    return {
      topic: nameOf(topicId) ?? '',
      partition,
      messages,
      bytes: messages === 0 ? 0 : records.length,
      error: result.error?.code,
    }
  })
  diagnostics.produce.publish({ broker: brokerId, batches, duration: clock.monotonic() - began })
  return response
}

/** Duplicates of an `id` were accepted before. */
function acceptedIn(result: ProduceResult): number {
  if (result.error !== undefined) return 0
  let messages = 0
  for (let run = 0; run < result.runs.length; run += 3)
    if (result.runs[run + 2] === 0) messages += result.runs[run]!
  return messages
}
