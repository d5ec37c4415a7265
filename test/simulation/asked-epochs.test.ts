import { describe, expect, it } from 'vitest'
import type { FetchRequest } from '../../src/protocol/peer-service.js'
import { AskedEpochs } from './asked-epochs.js'

/** `epochs`: by topic, of its only partition. */
function request(id: number | undefined, number: number, epochs: Record<string, number>): FetchRequest {
  return {
    cluster: 'cluster',
    from: { broker: 'b', storage: 'disk of b', generation: 1 },
    wait: 0,
    maxBytes: 1,
    now: 0,
    partitions: Object.entries(epochs).map(([topicId, epoch]) => ({
      topicId,
      partition: 0,
      epoch,
      next: 0,
      lastEpoch: -1,
      highWatermark: 0,
      round: undefined,
    })),
    session: id === undefined ? undefined : { id, number, forgotten: [], catchUp: false },
  }
}

describe('the epochs in which a leader is asked', () => {
  it('hold on within a session', () => {
    const asked = new AskedEpochs()
    asked.answered('a', request(7, 0, { x: 1, y: 1 }))
    expect(asked.answered('a', request(7, 1, { y: 2 }))).toEqual(
      new Map([
        ['x/0', 1],
        ['y/0', 2],
      ]),
    )
    expect(asked.answered('c', request(7, 1, { y: 3 }))).toEqual(new Map([['y/0', 3]]))
    expect(asked.answered('a', request(undefined, 0, { y: 3 }))).toEqual(new Map([['y/0', 3]]))
  })

  it('are not those of a request that comes late', () => {
    const asked = new AskedEpochs()
    asked.answered('a', request(7, 0, { x: 0 }))
    asked.answered('a', request(7, 2, { x: 2 }))
    expect(asked.answered('a', request(7, 1, { x: 0 }))).toEqual(new Map([['x/0', 0]]))
    expect(asked.answered('a', request(7, 3, {}))).toEqual(new Map([['x/0', 2]]))
  })

  it('are not those of an earlier session, whose requests come late', () => {
    const asked = new AskedEpochs()
    asked.answered('a', request(7, 0, { x: 0 }))
    asked.answered('a', request(8, 0, { x: 2 }))
    asked.answered('a', request(7, 1, { x: 1 }))
    asked.answered('a', request(7, 0, { x: 0 }))
    expect(asked.answered('a', request(8, 1, {}))).toEqual(new Map([['x/0', 2]]))
  })
})
