// All of it: ZooKeeper, three brokers (`portal-mq serve --config broker-1.json`, …), a producer and two consumers, each a process. The leader of a
// partition is killed, another one leads, the dead one comes back; at the end orders are counted.  main.ts [seconds]
//
// ZooKeeper is started here unless PORTAL_MQ_ZOOKEEPER names one that runs, with a path: localhost:2181/orders
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Admin, PortalError } from 'portal-mq'
import { connect } from 'portal-mq/http'
import { zooKeeperEnsemble } from 'portal-mq/testing'
import { TOPIC } from './order.js'

interface RunningBroker {
  readonly config: string
  readonly process: ChildProcess
  readonly url: string
}

const SECONDS = Number(process.argv[2] ?? 15)
/** The command line of the package; in its own repository, what run.mjs has made of the sources. */
const PORTAL_MQ =
  process.env['PORTAL_MQ_CLI'] ??
  fileURLToPath(new URL('dist/cli.js', import.meta.resolve('portal-mq/package.json')))

/** None is left behind, whatever this ends with. */
const children = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

const directory = await mkdtemp(join(tmpdir(), 'portal-mq-cluster-'))
const given = process.env['PORTAL_MQ_ZOOKEEPER']
const ensemble = given === undefined ? await zooKeeperEnsemble() : undefined
const zookeeper = given ?? `${ensemble?.addresses}/orders`
console.log(`ZooKeeper is at ${zookeeper}`)

const brokers = await Promise.all(['1', '2', '3'].map((name) => startBroker(`broker-${name}.json`)))
const urls = brokers.map(({ url }) => url)
const connection = connect(urls)
connection.on('disconnect', () => {})
connection.on('connect', () => {})
const admin = new Admin(connection)
await admin.createTopic(TOPIC, { partitions: 3 })

let sent = 0
const handled = new Map<number, number>()
const consumers = [start('consumer.ts'), start('consumer.ts')]
for (const consumer of consumers) {
  consumer.on('message', ({ handled: number }: { handled: number }) => {
    handled.set(number, (handled.get(number) ?? 0) + 1)
  })
}
const producer = start('producer.ts')
producer.on('message', (report: { sent: number }) => {
  sent = report.sent
})
await once(consumers[0]!, 'message')
await sleep(SECONDS * 300)

// The middle: a leader dies.
const before = await leaderOf(0)
const victim = brokers.find(({ url }) => url === before.url)!
victim.process.kill('SIGKILL')
console.log(`${victim.config}, which leads partition 0 in epoch ${before.epoch}, is killed`)
const after = await newLeader(before.epoch)
const next = brokers.find(({ url }) => url === after.url)
console.log(`${next?.config} leads partition 0 in epoch ${after.epoch}`)
await sleep(SECONDS * 200)
brokers[brokers.indexOf(victim)] = await startBroker(victim.config, victim.url)
console.log(`${victim.config} is started again`)
await allInSync()
console.log('all three are in sync again')
await sleep(SECONDS * 200)

// First whoever sends; then, once nothing is left to do, whoever handles; brokers and ZooKeeper last.
await end(producer)
await everythingIsSettled()
await Promise.all(consumers.map(end))
await connection.close()
await Promise.all(brokers.map(({ process: broker }) => end(broker)))
await ensemble?.close()
await rm(directory, { recursive: true, force: true })

const lost = sent - handled.size
const twice = [...handled.values()].filter((times) => times > 1).length
console.log(`sent ${sent}, handled ${handled.size}, handled twice ${twice}, lost ${lost}`)
process.exitCode = lost === 0 ? 0 : 1

/** `url`: where it was before; clients look for it there. */
async function startBroker(config: string, url?: string): Promise<RunningBroker> {
  const path = fileURLToPath(new URL(config, import.meta.url))
  const port = url === undefined ? [] : ['--port', new URL(url).port]
  // Flags and the environment go before the file: elsewhere, ZooKeeper is where the file says.
  const broker = spawn(process.execPath, [PORTAL_MQ, 'serve', '--config', path, ...port], {
    cwd: directory,
    env: { ...process.env, PORTAL_MQ_ZOOKEEPER: zookeeper },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(broker)
  const gone = once(broker, 'exit').then((): never => {
    throw new Error(`${config} could not start.`)
  })
  const [line] = (await Promise.race([once(createInterface({ input: broker.stdout }), 'line'), gone])) as [
    string,
  ]
  gone.catch(() => {})
  const [listens = ''] = /https?:\S+/.exec(line) ?? []
  console.log(`${config} listens at ${listens}`)
  return { config, process: broker, url: listens }
}

async function leaderOf(partition: number): Promise<{ url: string | undefined; epoch: number }> {
  const { partitions } = await answerTo(() => admin.describeTopic(TOPIC))
  const { leader, epoch } = partitions[partition]!
  return { url: leader?.url, epoch }
}

/** Between two leaders there is none. */
async function newLeader(epoch: number): Promise<{ url: string | undefined; epoch: number }> {
  for (;;) {
    const leader = await leaderOf(0)
    if (leader.epoch > epoch && leader.url !== undefined) return leader
    await sleep(100)
  }
}

async function allInSync(): Promise<void> {
  for (;;) {
    const { partitions } = await answerTo(() => admin.describeTopic(TOPIC))
    if (partitions.every(({ inSync }) => inSync.length === 3)) return
    await sleep(100)
  }
}

/** Whoever waits for a group to be done asks for its lag: messages that are not settled yet. */
async function everythingIsSettled(): Promise<void> {
  for (;;) {
    const { partitions } = await answerTo(() => admin.describeGroup(TOPIC, 'packers'))
    if (partitions.length === 3 && partitions.every(({ lag }) => lag === 0)) return
    await sleep(100)
  }
}

function start(program: string): ChildProcess {
  const child = fork(new URL(program, import.meta.url), urls)
  children.add(child)
  return child
}

/** What a broker that dies was asked fails, and says that it may be tried again. */
async function answerTo<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof PortalError && error.retriable)) throw error
      await sleep(100)
    }
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'close')
}
