import { describe, expect, it } from 'vitest'
import { checkVersions, commonVersions, raiseVersions } from '../../src/coordination/cluster-versions.js'
import type { BrokerDocument, MemberDocument } from '../../src/coordination/documents.js'

const CLUSTER = { clusterId: 'one', createdAt: 0 }

function members(versions: Record<string, [peer: number, entry: number]>): Map<string, MemberDocument> {
  return new Map(
    Object.entries(versions).map(([broker, [peer, entry]]) => [
      broker,
      { broker, storage: 's', generation: 1, url: '', versions: { peer, entry }, startedAt: 0 },
    ]),
  )
}

function brokers(...names: string[]): BrokerDocument[] {
  return names.map((broker) => ({ broker, storage: 's', generation: 1 }))
}

describe('what a cluster may say and write', () => {
  it('is what all of its brokers read, of each kind', () => {
    expect(commonVersions(brokers('a', 'b'), members({ a: [3, 2], b: [2, 4] }))).toEqual({
      peer: 2,
      entry: 2,
    })
  })

  it('does not rise while a broker is away', () => {
    expect(commonVersions(brokers('a', 'b'), members({ a: [2, 2] }))).toEqual({ peer: 1, entry: 1 })
    expect(commonVersions(brokers('a', 'b'), members({}))).toEqual({ peer: 1, entry: 1 })
  })

  it('does not wait for a broker that was drained, unless it lives', () => {
    const drained = [...brokers('a'), { broker: 'b', storage: 's', generation: 1, drained: true }]
    expect(commonVersions(drained, members({ a: [2, 2] }))).toEqual({ peer: 2, entry: 2 })
    expect(commonVersions(drained, members({ a: [2, 2], b: [1, 1] }))).toEqual({ peer: 1, entry: 1 })
  })

  it('never falls', () => {
    const raised = raiseVersions(CLUSTER, { peer: 1, entry: 3 })
    expect(raised?.versions).toEqual({ peer: 1, entry: 3 })
    expect(raiseVersions(raised!, { peer: 1, entry: 2 })).toBeUndefined()
    expect(raiseVersions(raised!, { peer: 2, entry: 1 })?.versions).toEqual({ peer: 2, entry: 3 })
  })

  it('turns away who does not read it', () => {
    expect(() => checkVersions(CLUSTER, { peer: 1, entry: 1 })).not.toThrow()
    const cluster = { ...CLUSTER, versions: { peer: 1, entry: 2 } }
    expect(() => checkVersions(cluster, { peer: 2, entry: 2 })).not.toThrow()
    expect(() => checkVersions(cluster, { peer: 1, entry: 1 })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED' }),
    )
  })
})
