import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as portalZooKeeper from '../../../src/zookeeper.js'
import { packageDirectory } from './package.js'

/** The entry point for ZooKeeper of the package as built; apart, for only replicated rows load it. */
export const { zookeeper } = (await import(
  pathToFileURL(resolve(packageDirectory, 'dist/zookeeper.js')).href
)) as typeof portalZooKeeper
