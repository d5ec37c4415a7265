import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { seededRandom } from '../../src/runtime/virtual.js'
import { provideZooKeeper } from '../setup/provide-zookeeper.js'
import bundleStorageWorker, { storageWorkerBundle } from '../setup/storage-worker.js'
import { FAULTS } from './faults.js'
import { torture } from './torture.js'

const HELP = `npm run torture -- [options]
  --minutes N      how long faults go on                      (default: 3)
  --seed N         chooses the faults                         (default: any; it is printed)
  --session N      session timeout with ZooKeeper, ms         (default: 2000)
  --faults A,B     only these                                 (default: all)
  --blackout N     seconds for which ZooKeeper stays away     (default: 20 to 60)
  --directory DIR  where brokers and servers keep their data  (default: a temporary folder)

Three brokers and three ZooKeeper servers as processes, producers and consumers that write down what they are told, and one fault
after the other: ${Object.keys(FAULTS).join(', ')}.
In the end everything must be stored, once, in order, and settled; else the folder stays, and the exit code is 1. Where Java or ZooKeeper
is missing it is installed with apt if that can be done (PORTAL_MQ_INSTALL=0 forbids it); else the exit code is 1, too.`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string' },
    session: { type: 'string', default: '2000' },
    faults: { type: 'string' },
    blackout: { type: 'string' },
    directory: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit()
}
const names = values.faults?.split(',').map((name) => name.trim()) ?? Object.keys(FAULTS)
for (const name of names) {
  if (FAULTS[name]) continue
  console.error(`There is no fault '${name}'. There are: ${Object.keys(FAULTS).join(', ')}.`)
  process.exit(2)
}

const missing = provideZooKeeper('processes and faults')
if (missing !== '') {
  console.error(missing)
  process.exit(1)
}
process.env['PORTAL_MQ_STORAGE_WORKER'] = storageWorkerBundle
await bundleStorageWorker()
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9))
const random = seededRandom(seed)
const passed = await torture({
  directory: values.directory ?? (await mkdtemp(join(tmpdir(), 'portal-mq-torture-'))),
  keep: values.directory !== undefined,
  minutes: Number(values.minutes),
  seed,
  sessionTimeout: Number(values.session),
  faults: names,
  blackout: values.blackout === undefined ? undefined : Number(values.blackout) * 1_000,
  random: () => random.float(),
})
process.exit(passed ? 0 : 1)
