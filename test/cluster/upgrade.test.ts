import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../src/http.js'
import { Admin } from '../../src/index.js'
import { type Child, startChild } from '../integration/support/child.js'
import { bundleProgram } from '../support/bundle.js'
import { describeCluster, sharedServer } from './support/servers.js'
import { freshRoot } from './support/stores.js'
import { type Builds, makeBuilds } from './upgrade/builds.js'
import { Traffic } from './upgrade/traffic.js'

const NAMES = ['a', 'b', 'c'] as const
type Name = (typeof NAMES)[number]

/** How long anything may take to become true (ms). */
const PATIENCE = 60_000
/** Of one test: three brokers start and stop several times, on a machine that may be busy (ms). */
const LIMIT = { timeout: 300_000 }

describeCluster('the first build that replicates beside this one', () => {
  let builds: Builds
  let program: string
  beforeAll(async () => {
    builds = await makeBuilds()
    program = await bundleProgram('test/cluster/upgrade/child.ts', 'upgrade-broker')
  })
  afterAll(() => builds.remove())

  it(
    'three brokers are upgraded one after the other while messages flow: no send fails, nothing is lost',
    LIMIT,
    async () => {
      const cluster = await open(program, { a: builds.old, b: builds.old, c: builds.young })
      const traffic = await cluster.traffic(builds)
      for (const name of ['a', 'b'] as const) {
        await cluster.stop(name)
        await cluster.start(name, builds.young)
        await cluster.whole()
      }
      await traffic.end('settled')
      expect(cluster.complaints()).toEqual([])
    },
  )

  it.each(['old', 'young'] as const)(
    'when the %s build is killed the other one leads on, and it comes back',
    LIMIT,
    async (killed) => {
      const cluster = await open(program, { a: builds.old, b: builds.young, c: builds[killed] })
      // Leaders of both builds, with followers of the other in sync: each of what follows is acknowledged by both.
      expect(await cluster.leaders()).toEqual([...NAMES])
      const traffic = await cluster.traffic(builds)
      const name = killed === 'old' ? 'a' : 'b'
      await cluster.kill(name)
      await cluster.until(async () => expect(await cluster.leaders()).not.toContain(name))
      await cluster.start(name, builds[killed])
      await cluster.whole()
      // The old build, just started, takes topics that it has not been told of for deleted: what was settled there comes again.
      await traffic.end('settled in the end')
    },
  )
})

/** Three brokers as processes, and a topic of three partitions that all of them have. */
async function open(program: string, builds: Readonly<Record<Name, string>>): Promise<Cluster> {
  const directory = await mkdtemp(join(import.meta.dirname, '../../node_modules/.cache/upgrade-data-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const cluster = new Cluster(program, directory, (await sharedServer()) + freshRoot())
  await Promise.all(NAMES.map((name) => cluster.start(name, builds[name])))
  await cluster.admin.createTopic('flow', { partitions: 3 })
  await cluster.whole()
  return cluster
}

class Cluster {
  readonly #program: string
  readonly #directory: string
  readonly #coordination: string
  readonly #brokers = new Map<Name, Child>()
  readonly #all: Child[] = []
  readonly #urls = new Map<Name, string>()
  readonly #dead = new Set<Name>()

  constructor(program: string, directory: string, coordination: string) {
    this.#program = program
    this.#directory = directory
    this.#coordination = coordination
  }

  get urls(): readonly string[] {
    return [...this.#urls.values()]
  }

  get admin(): Admin {
    // One that is dead is not asked first: each call has a connection of its own, which has not met it yet.
    const living = [...this.#urls].filter(([name]) => !this.#dead.has(name)).map(([, url]) => url)
    return new Admin(connect(living))
  }

  /** On its disk and its port if it has them. */
  async start(name: Name, dist: string): Promise<void> {
    const port = new URL(this.#urls.get(name) ?? 'http://localhost:0').port
    const broker = startChild(
      this.#program,
      dist,
      join(this.#directory, name),
      name,
      this.#coordination,
      port,
    )
    this.#brokers.set(name, broker)
    this.#all.push(broker)
    this.#urls.set(name, (await broker.said('url')).slice('url '.length))
    this.#dead.delete(name)
  }

  async stop(name: Name): Promise<void> {
    const broker = this.#brokers.get(name)!
    broker.kill('SIGTERM')
    expect(await broker.ended).toBe(0)
  }

  async kill(name: Name): Promise<void> {
    const broker = this.#brokers.get(name)!
    this.#dead.add(name)
    broker.kill()
    await broker.ended
  }

  /** Who leads, each once, sorted. */
  async leaders(): Promise<string[]> {
    const { partitions } = await this.admin.describeTopic('flow')
    return [...new Set(partitions.map(({ leader }) => leader?.id ?? ''))].sort()
  }

  /** Resolves once all replicas are in sync, and all brokers lead. */
  whole(): Promise<void> {
    return this.until(async () => {
      const { partitions } = await this.admin.describeTopic('flow')
      expect(partitions.map(({ inSync }) => inSync.length)).toEqual([3, 3, 3])
      expect(await this.leaders()).toEqual([...NAMES])
    })
  }

  /** What the brokers had to say of errors. */
  complaints(): readonly string[] {
    return this.#all.flatMap(({ lines }) => lines.filter((line) => line.startsWith('error')))
  }

  /**
   * Clients of both builds; `end` checks that all was sent, and all that was sent was consumed and is settled: when the consumers have closed, or
   * as soon as the leases of those have ended whose settlement was refused.
   */
  async traffic({
    old,
    young,
  }: Builds): Promise<{ end(all: 'settled' | 'settled in the end'): Promise<void> }> {
    const taken = new Set<number>()
    const take = (value: number) => void taken.add(value)
    const clients = [
      await Traffic.start(old, this.urls, 'flow', 0, take),
      await Traffic.start(young, this.urls, 'flow', 1_000_000, take),
    ]
    await this.until(async () => expect(taken.size).toBeGreaterThan(100))
    return {
      end: async (all) => {
        await Promise.all(clients.map((client) => client.stopSending()))
        expect(clients.flatMap(({ failed }) => failed)).toEqual([])
        const sent = clients.flatMap((client) => client.sent)
        await this.until(async () => expect(sent.filter((value) => !taken.has(value))).toEqual([]))
        if (all === 'settled in the end')
          await this.until(async () => expect(await this.#acked()).toBe(sent.length))
        await Promise.all(clients.map((client) => client.stopConsuming()))
        expect(await this.#acked()).toBe(sent.length)
      },
    }
  }

  /** As all leaders say. */
  async #acked(): Promise<number> {
    let counts: number[] = []
    await this.until(async () => {
      const { partitions } = await this.admin.describeGroup('flow', 'all')
      counts = partitions.map(({ acked }) => acked)
      expect(counts).toHaveLength(3)
    })
    return counts.reduce((sum, acked) => sum + acked, 0)
  }

  /** Tries again and again until the check does not throw any more. */
  async until(check: () => Promise<void>): Promise<void> {
    const end = Date.now() + PATIENCE
    for (;;) {
      try {
        return await check()
      } catch (error) {
        if (Date.now() > end) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
