import type { TestProject } from 'vitest/node'
import { provideZooKeeper } from './provide-zookeeper.js'
import { startHelper } from './zookeeper-helper.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the helper that starts and stops ZooKeeper servers listens; '' if there is no ZooKeeper. */
    zookeeperHelper: string
    /** What to do where ZooKeeper is missing. */
    zookeeperMissing: string
  }
}

/**
 * The cluster's tests run on real ZooKeeper servers, which are installed where that can be done; else these tests fail, with the line to run.
 *
 * Servers are started by this process, which no test blocks or ends.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const missing = provideZooKeeper('the tests of the cluster')
  const helper = missing === '' ? await startHelper() : undefined
  project.provide('zookeeperHelper', helper?.url ?? '')
  project.provide('zookeeperMissing', missing)
  return async () => helper?.close()
}
