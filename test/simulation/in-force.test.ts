import { describe, expect, it } from 'vitest'
import type { GroupDocument, TopicDocument } from '../../src/coordination/documents.js'
import { PartitionState } from '../../src/core/partition-state.js'
import { notInForce } from './in-force.js'

const { dedupeLimits } = new PartitionState()
const topic = (dedupe: object) => ({ config: { dedupe } }) as TopicDocument
const group = (generation: number) => ({ name: 'workers', generation }) as GroupDocument
const state = (generation?: number) => {
  const queues = new Map(generation === undefined ? [] : [['workers', { generation }]])
  return { dedupeLimits, queues } as unknown as PartitionState
}

describe('what documents say and a log does not', () => {
  it('finds nothing in a log that says the same', () => {
    expect(notInForce(state(2), topic(dedupeLimits), new Map([['workers', group(2)]]))).toBeUndefined()
  })

  it('finds limits of ids that have changed', () => {
    expect(notInForce(state(), topic({ ...dedupeLimits, ids: 7 }), new Map())).toContain('at most 7')
  })

  it('finds a group of another generation, one that is missing and one that was deleted', () => {
    const known = new Map([['workers', group(2)]])
    expect(notInForce(state(1), topic(dedupeLimits), known)).toContain('not 2')
    expect(notInForce(state(), topic(dedupeLimits), known)).toContain('not 2')
    expect(notInForce(state(2), topic(dedupeLimits), new Map())).toContain('was deleted')
  })
})
