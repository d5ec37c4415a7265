import { expect, it } from 'vitest'
import type { Way, WayChooser } from '../../src/client/failover.js'
import { streamOver } from '../../src/client/failover-stream.js'
import type { StreamRequest } from '../../src/protocol/service.js'

const EMPTY = { deliveries: [] }

it('a stream ends with DISCONNECTED once calls go another way: nobody could raise its credit', async () => {
  let ended = false
  const receiveStream = async function* () {
    try {
      for (;;) yield EMPTY
    } finally {
      ended = true
    }
  }
  const way = (url: string) => ({ url, service: { receiveStream } }) as unknown as Way
  const [first, second] = [way('http://a'), way('http://b')]
  const chooser = { isAway: false, current: first, heard: (_: Way, error: unknown) => error }
  const stream = streamOver(chooser as unknown as WayChooser)({} as StreamRequest, undefined)
  const answers = stream[Symbol.asyncIterator]()
  for (let count = 0; count < 3; count++) expect(await answers.next()).toEqual({ value: EMPTY, done: false })
  chooser.current = second
  await expect(answers.next()).rejects.toMatchObject({ code: 'DISCONNECTED', retriable: true })
  expect(ended).toBe(true)
})
