import { inject, it } from 'vitest'

it('ZooKeeper is on this machine', () => {
  const missing = inject('zookeeperMissing')
  if (missing !== '') throw new Error(missing)
})
