import { type ConnectOptions, RemoteConnection } from '../../src/connect.js'
import type { ClientWorld, FarProcess } from './client-world.js'
import type { ClientProcess, Network } from './network.js'

/** A process with a connection of the library over the simulated network. */
export function farProcess(
  world: ClientWorld,
  network: Network,
  options: Omit<ClientProcess, 'life'> & { readonly urls: readonly string[] },
): FarProcess {
  const life = world.scheduler.life()
  const wires = network.connect({ ...options, life })
  const nothing = () => {}
  const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  const timeout = world.scheduler.pick([500, 2_000, 10_000])
  const given: ConnectOptions = { runtime: life.runtime, logger, timeout }
  const connection = new RemoteConnection(options.urls, given, wires.carrier)
  connection.on('disconnect', () => world.count('network disconnect', 1))
  connection.on('connect', () => world.count('network connect', 1))
  const die = () => {
    life.end()
    wires.die()
  }
  return { connection, life, die }
}
