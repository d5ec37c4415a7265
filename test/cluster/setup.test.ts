import { expect, inject, it } from 'vitest'

it('ZooKeeper is on this machine (else: the line that provides it)', () => {
  expect(inject('zookeeperMissing')).toBe('')
})
