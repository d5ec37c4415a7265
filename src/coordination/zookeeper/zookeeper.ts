import { isPortalError, PortalError } from '../../core/errors.js'
import type { Runtime } from '../../runtime/runtime.js'
import { systemRuntime } from '../../runtime/system.js'
import type { CoordinationAdapter, CoordinationStore } from '../coordination.js'
import type { ZooKeeperClient } from './client.js'
import { failed, OK, SESSION_EXPIRED } from './codes.js'
import {
  type ConnectionTarget,
  parseConnectionString,
  type ServerAddress,
  serverName,
} from './connection-string.js'
import { type ResolvedZooKeeperOptions, resolveOptions, type ZooKeeperOptions } from './options.js'
import { resolveServers } from './resolve-servers.js'
import { prepareRoot } from './root.js'
import { ZooKeeperSession } from './session.js'
import { clientStarter } from './start-client.js'
import { ZooKeeperStore } from './store.js'

/**
 * Coordination through ZooKeeper: what makes several brokers one cluster.
 *
 * `servers` names the ensemble, and after it the path below which the cluster keeps everything: clusters with different paths do not see
 * each other. The path is made if it is missing. Without a port: 2181; without a path: `/portal-mq`.
 *
 * Throws INVALID_ARGUMENT. Opening then rejects with DISCONNECTED, with the addresses that were tried, if there is no session within `connectTimeout`;
 * UNAUTHENTICATED or FORBIDDEN if ZooKeeper refuses the user, or the path belongs to another; with the client 'package' UNSUPPORTED, with the command
 * that mends it, if the package `zookeeper` is missing or cannot be loaded here.
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
  readonly #runtime: Runtime
  #addresses: readonly string[]
  #client: ZooKeeperClient | undefined
  #store: ZooKeeperStore | undefined
  #session: ZooKeeperSession | undefined
  #isGivenUp = false
  #onConnected = () => {}
  #onFailure = (_: PortalError) => {}

  constructor(target: ConnectionTarget, options: ResolvedZooKeeperOptions, runtime: Runtime) {
    this.#target = target
    this.#options = options
    this.#runtime = runtime
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
      const timer = this.#runtime.timers.setTimeout(
        () => fail(this.#unreachable()),
        this.#options.connectTimeout,
      )
      this.#onFailure = fail
      this.#open().then((store) => {
        timer.cancel()
        resolve(store)
      }, fail)
    })
  }

  async #open(): Promise<CoordinationStore> {
    const { sessionTimeout, digest, client: kind } = this.#options
    const start = await clientStarter(kind)
    const addresses = await this.#resolve()
    // A client that nobody waits for would keep the process alive.
    if (this.#isGivenUp) throw this.#unreachable()
    const connected = new Promise<void>((resolve) => {
      this.#onConnected = resolve
    })
    const { clock, timers, random } = this.#runtime
    // Its events are those of this session: a later one has a client, a store and listeners of its own.
    const client = start(
      { addresses, resolve: () => this.#resolve(), sessionTimeout, digest, clock, timers, random },
      {
        connected: () => this.#connected(),
        ended: (code) => this.#ended(code),
        changed: (path) => this.#store?.changed(path),
      },
    )
    this.#client = client
    await connected
    for (;;) {
      try {
        return await this.#prepare(client)
      } catch (error) {
        // A connection that is lost on the way: all of this may be done twice.
        if (this.#isGivenUp || !isPortalError(error, 'DISCONNECTED')) throw error
      }
    }
  }

  async #resolve(): Promise<readonly ServerAddress[]> {
    const addresses = await resolveServers(this.#target.servers)
    this.#addresses = addresses.map(serverName)
    return addresses
  }

  async #prepare(client: ZooKeeperClient): Promise<CoordinationStore> {
    const { root } = this.#target
    const { clock, timers } = this.#runtime
    await prepareRoot(client, root, this.#options.digest !== undefined)
    const probe = async () => (await client.sync(root)).code === OK
    const aliveAt = clock.monotonic()
    if (!(await probe())) throw this.#unreachable()
    const { sessionId: id, timeout } = client
    this.#session = new ZooKeeperSession({ id, timeout, aliveAt, probe, clock, timers })
    this.#store = new ZooKeeperStore({ client, session: this.#session, root, timers })
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
