import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as portal from '../../../src/index.js'

/** Where the package under test was built: `--package`, or this repository. */
export const packageDirectory = resolve(process.env['PORTAL_MQ_BENCH_PACKAGE'] ?? '.')

/** The package as built, with the types of its source: nothing of the source itself is loaded. */
export const { createBroker, Producer, Consumer, Admin } = (await import(
  pathToFileURL(resolve(packageDirectory, 'dist/index.js')).href
)) as typeof portal

export type { Broker, Consumer as ConsumerType, Producer as ProducerType } from '../../../src/index.js'
