import { findZooKeeper } from '../../src/testing/find-zookeeper.js'
import { zooKeeperMissing } from '../../src/testing/zookeeper-ensemble.js'
import { has, installPackage } from './install.js'

/**
 * Where Java or ZooKeeper is missing and Debian's packages can be had they are installed, once and said aloud (PORTAL_MQ_INSTALL=0 forbids it).
 * `who`: says what needs them, like 'the tests of the cluster'. Returns what to do where they are missing still; '' if they are there.
 */
export function provideZooKeeper(who: string): string {
  if (findZooKeeper() === undefined) {
    // Neither package starts a server of its own.
    const packages = [...(has('java') ? [] : ['default-jre-headless']), 'libzookeeper-java']
    installPackage(packages, `${who} run on`)
  }
  return findZooKeeper() === undefined ? zooKeeperMissing() : ''
}
