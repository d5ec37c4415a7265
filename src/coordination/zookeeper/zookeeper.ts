import { PortalError } from '../../core/errors.js'
import type { Clock, Timers } from '../../runtime/runtime.js'
import { systemRuntime } from '../../runtime/system.js'
import type { CoordinationAdapter, CoordinationStore } from '../coordination.js'
import { ZooKeeperClient } from './client.js'
import { failed, OK, SESSION_EXPIRED } from './codes.js'
import { type ConnectionTarget, parseConnectionString, serverName } from './connection-string.js'
import { type ResolvedZooKeeperOptions, resolveOptions, type ZooKeeperOptions } from './options.js'
import { loadPackage } from './package.js'
import { resolveServers } from './resolve-servers.js'
import { prepareRoot } from './root.js'
import { ZooKeeperSession } from './session.js'
import { ZooKeeperStore } from './store.js'

/**
 * Coordination through ZooKeeper: what makes several brokers one cluster. Needs the optional peer `zookeeper`.
 *
 * `servers` names the ensemble, and after it the path below which the cluster keeps everything: clusters with different paths do not see
 * each other. The path is made if it is missing. Without a port: 2181; without a path: `/portal-mq`.
 *
 * Throws INVALID_ARGUMENT. Opening then rejects with UNSUPPORTED if the package is missing or cannot be loaded, with the command that mends it;
 * DISCONNECTED, with the addresses that were tried, if there is no session within `connectTimeout`; UNAUTHENTICATED or FORBIDDEN if ZooKeeper
 * refuses the user, or the path belongs to another.
 *
 * @example
 * zookeeper('zk1:2181,zk2:2181,zk3:2181/portal-mq', { auth: { digest: `portal-mq:${process.env.ZOOKEEPER_PASSWORD}` } })
 */
export function zookeeper(servers: string, options: ZooKeeperOptions = {}): CoordinationAdapter {
  const target = parseConnectionString(servers)
  const resolved = resolveOptions(options)
  return () => new Opening(target, resolved, systemRuntime()).run()
}

/** The way from addresses to a session: all of it within one deadline. */
class Opening {
  readonly #target: ConnectionTarget
  readonly #options: ResolvedZooKeeperOptions
  readonly #clock: Clock
  readonly #timers: Timers
  #addresses: readonly string[]
  #client: ZooKeeperClient | undefined
  #store: ZooKeeperStore | undefined
  #session: ZooKeeperSession | undefined
  #isGivenUp = false
  #onConnected = () => {}
  #onFailure = (_: PortalError) => {}

  constructor(
    target: ConnectionTarget,
    options: ResolvedZooKeeperOptions,
    runtime: { clock: Clock; timers: Timers },
  ) {
    this.#target = target
    this.#options = options
    this.#clock = runtime.clock
    this.#timers = runtime.timers
    this.#addresses = target.servers.map(serverName)
  }

  run(): Promise<CoordinationStore> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        timer.cancel()
        this.#isGivenUp = true
        void this.#client?.close()
        reject(error)
      }
      const timer = this.#timers.setTimeout(() => fail(this.#unreachable()), this.#options.connectTimeout)
      this.#onFailure = fail
      this.#open().then((store) => {
        timer.cancel()
        resolve(store)
      }, fail)
    })
  }

  async #open(): Promise<CoordinationStore> {
    const Native = await loadPackage()
    this.#addresses = await resolveServers(this.#target.servers)
    // A client that nobody waits for would keep the process alive.
    if (this.#isGivenUp) throw this.#unreachable()
    const connected = new Promise<void>((resolve) => {
      this.#onConnected = resolve
    })
    const config = { servers: this.#addresses.join(','), sessionTimeout: this.#options.sessionTimeout }
    // Its events are those of this session: a later one has a client, a store and listeners of its own.
    const client = new ZooKeeperClient(
      Native,
      config,
      {
        connected: () => this.#connected(),
        ended: (code) => this.#ended(code),
        changed: (path) => this.#store?.changed(path),
      },
      this.#timers,
    )
    this.#client = client
    await connected
    return this.#prepare(client)
  }

  async #prepare(client: ZooKeeperClient): Promise<CoordinationStore> {
    const { digest } = this.#options
    if (digest !== undefined) {
      const { code } = await client.authenticate('digest', digest)
      if (code !== OK) throw failed('take the user', code)
    }
    const isProtected = digest !== undefined
    const { root } = this.#target
    await prepareRoot(client, root, isProtected)
    const probe = async () => (await client.sync(root)).code === OK
    const aliveAt = this.#clock.monotonic()
    if (!(await probe())) throw this.#unreachable()
    const session = new ZooKeeperSession({
      id: client.sessionId,
      timeout: client.timeout,
      aliveAt,
      probe,
      clock: this.#clock,
      timers: this.#timers,
    })
    this.#session = session
    this.#store = new ZooKeeperStore({ client, session, root, isProtected, timers: this.#timers })
    return this.#store
  }

  #connected(): void {
    this.#onConnected()
    if (this.#client) this.#session?.reconnected(this.#client.timeout)
    this.#store?.reconnected()
  }

  #ended(code: number): void {
    const refused = failed('keep the session', code)
    const error =
      code === SESSION_EXPIRED
        ? new PortalError(
            'DISCONNECTED',
            'ZooKeeper has ended the session: it had not heard of it for too long.',
          )
        : refused
    if (this.#session) this.#session.lose(error)
    else this.#onFailure(error)
  }

  #unreachable(): PortalError {
    return new PortalError(
      'DISCONNECTED',
      `No session with ZooKeeper within ${this.#options.connectTimeout} ms: tried ${this.#addresses.join(', ')}. ` +
        'Check that it runs, and that these addresses are reached from here.',
    )
  }
}
