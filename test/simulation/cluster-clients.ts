import { learnLeaders } from '../../src/connect-cluster.js'
import * as routing from '../../src/routing/client-routing.js'
import { createDispatcher } from '../../src/transport/http/dispatch.js'
import type { HttpHandler } from '../../src/transport/http/exchange.js'
import { serviceRoutes } from '../../src/transport/http/routes/routes.js'
import type { Calls } from './calls.js'
import type { FarProcess, NetworkWorld } from './client-world.js'
import type { Services } from './cluster-broker.js'
import type { ClusterWorld } from './cluster-world.js'
import { farProcess } from './far-process.js'
import type { Life } from './life.js'
import { Network, type Server } from './network.js'
import { NetworkClients } from './network-clients.js'
import { runNetworkConsumer, type Style } from './network-consumers.js'

/** The groups of the library's consumers. */
export const FAR_GROUPS = [
  { topic: 'plain', group: 'patient' },
  { topic: 'plain', group: 'hasty' },
] as const

/** Where clients are, those among them that call by call live on what the wire says. */
export const MACHINES = ['clients', 'office'] as const
/** Milliseconds after which sends give up: before, or after, there is another leader. */
const DELIVERIES = [4_000, 20_000]
const STYLES: readonly Style[] = ['receive', 'iterate', 'run']

/** The library's clients of a cluster: they know the addresses of some brokers, and nothing of the coordination service. */
export class ClusterClients {
  readonly #world: ClusterWorld & NetworkWorld
  readonly #doors: Calls<Services>
  readonly #network: Network
  readonly #clients: NetworkClients
  /** HTTP over what listens at a broker's address. */
  readonly #servers = new WeakMap<Services, HttpHandler>()

  constructor(world: ClusterWorld & NetworkWorld, doors: Calls<Services>) {
    this.#world = world
    this.#doors = doors
    this.#clients = new NetworkClients(world)
    const { network } = world.auditor
    for (const { group } of FAR_GROUPS) network.groups.add(group)
    this.#network = new Network({
      scheduler: world.scheduler,
      faults: world.doorWires.faults,
      broker: (name) => this.#server(name),
      isCut: (from, to) => world.doorWires.isCut(from, to),
      watcher: {
        sent: (request) => network.sent(request),
        arrived: (request, sentAt) => network.arrived(request, sentAt),
        sees: (error) => world.sees(error),
      },
    })
  }

  /** A broker's process has died. */
  died(broker: string): void {
    this.#network.brokerDied(broker)
  }

  connect({ streams }: { readonly streams: boolean }): FarProcess {
    const { scheduler, brokers } = this.#world
    const names = [...brokers].sort(() => scheduler.random() - 0.5).slice(0, scheduler.whole(1, 3))
    return farProcess(this.#world, this.#network, {
      machine: scheduler.pick(MACHINES),
      streams,
      urls: names.map(({ name }) => `http://${name}`),
      // Not every client talks to leaders itself: pages do not.
      ...(scheduler.chance(0.75)
        ? { learn: (service, parts) => learnLeaders(service, parts, async () => routing) }
        : {}),
    })
  }

  /** Some of all kinds; others in every history. */
  begin(): void {
    const { scheduler } = this.#world
    const connect = () => this.connect({ streams: scheduler.chance(0.5) })
    const clients = this.#clients
    for (const name of ['one', 'two'].slice(0, scheduler.whole(1, 2)))
      scheduler.spawn(clients.produce(connect().connection, name, scheduler.pick(DELIVERIES)))
    scheduler.spawn(clients.read(connect().connection, scheduler.pick([undefined, 0, 1])))
    for (let left = 2; left > 0; left--) scheduler.spawn(clients.lock(connect()))
    for (const { group } of FAR_GROUPS) {
      for (let left = scheduler.whole(1, 2); left > 0; left--) {
        const options = { group, style: scheduler.pick(STYLES), streams: scheduler.chance(0.5) }
        scheduler.spawn(runNetworkConsumer(this.#world, options))
      }
    }
  }

  /** What is not done yet, though nothing hinders it. */
  unfinished(): string | undefined {
    return this.#clients.unfinished()
  }

  /** Once all that was committed is known. */
  check(): void {
    this.#clients.checkOnce()
    this.#clients.checkMissing()
  }

  #server(name: string): Server | undefined {
    const listening = this.#doors.at(name)
    if (listening === undefined) return undefined
    const { life, service } = listening
    let http = this.#servers.get(service)
    if (http === undefined) {
      http = this.#serve(name, life, service)
      this.#servers.set(service, http)
    }
    return { http, alive: life.alive, awake: () => life.awake() }
  }

  #serve(name: string, life: Life, { service }: Services): HttpHandler {
    const say = (fields: object, message: string) => {
      if (life.alive()) this.#world.trace.line(`${name} log: ${message} ${JSON.stringify(fields)}`)
    }
    return createDispatcher(service, {
      routes: serviceRoutes,
      runtime: life.runtime,
      logger: { debug: () => {}, info: say, warn: say, error: say },
      maxBodyBytes: 1 << 25,
    })
  }
}
