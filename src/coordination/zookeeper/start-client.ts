import { BuiltinClient } from './builtin-client.js'
import type { ClientConfig, ClientEvents, ZooKeeperClient } from './client.js'
import type { ZooKeeperClientKind } from './options.js'
import { loadPackage } from './package.js'
import { PackageClient } from './package-client.js'

type StartClient = (config: ClientConfig, events: ClientEvents) => ZooKeeperClient

/** Loads what the client needs. Rejects with UNSUPPORTED where that is not to be had. */
export async function clientStarter(kind: ZooKeeperClientKind): Promise<StartClient> {
  if (kind === 'builtin') return (config, events) => new BuiltinClient(config, events)
  const Native = await loadPackage()
  return (config, events) => new PackageClient(Native, config, events)
}
