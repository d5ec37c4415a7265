import type { TestProject } from 'vitest/node'
import { findZooKeeper } from '../../src/testing/find-zookeeper.js'
import { zooKeeperMissing } from '../../src/testing/zookeeper-ensemble.js'
import { has, installPackage } from './install.js'
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
 * The cluster's tests run on real ZooKeeper servers. Where Java or ZooKeeper is missing and Debian's packages can be had they are installed, once and
 * said aloud (PORTAL_MQ_INSTALL=0 forbids it); else these tests fail, with the line to run.
 *
 * Servers are started by this process, which no test blocks or ends.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (findZooKeeper() === undefined) {
    // Neither package starts a server of its own.
    const packages = [...(has('java') ? [] : ['default-jre-headless']), 'libzookeeper-java']
    installPackage(packages, 'the tests of the cluster run on')
  }
  const found = findZooKeeper() !== undefined
  const helper = found ? await startHelper() : undefined
  project.provide('zookeeperHelper', helper?.url ?? '')
  project.provide('zookeeperMissing', found ? '' : zooKeeperMissing())
  return async () => helper?.close()
}
