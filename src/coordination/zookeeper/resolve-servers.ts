import { lookup } from 'node:dns/promises'
import { PortalError } from '../../core/errors.js'
import { type ServerAddress, serverName } from './connection-string.js'

type Lookup = (host: string) => Promise<readonly { readonly address: string }[]>

/** All IP addresses of all servers. Names that lead nowhere are left out; DISCONNECTED if none leads anywhere. */
export async function resolveServers(
  servers: readonly ServerAddress[],
  find: Lookup = (host) => lookup(host, { all: true }),
): Promise<ServerAddress[]> {
  const errors: unknown[] = []
  const found = await Promise.all(
    servers.map(async ({ host, port }) => {
      try {
        return (await find(host)).map(({ address }) => ({ host: address, port }))
      } catch (error) {
        errors.push(error)
        return []
      }
    }),
  )
  const addresses = [...new Map(found.flat().map((address) => [serverName(address), address])).values()]
  if (addresses.length > 0) return addresses
  throw new PortalError(
    'DISCONNECTED',
    `No name of a ZooKeeper server leads to an address: ${servers.map(({ host }) => host).join(', ')}. Check the connection string.`,
    { cause: errors[0] },
  )
}
