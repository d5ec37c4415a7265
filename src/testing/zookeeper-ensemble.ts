import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PortalError } from '../core/errors.js'
import { findZooKeeper } from './find-zookeeper.js'
import { freePorts } from './free-ports.js'
import { ZooKeeperServer } from './zookeeper-server.js'

export interface ZooKeeperEnsembleOptions {
  /** How many servers: 1, or 3 to go on when one dies. @default 1 */
  readonly servers?: number | undefined
  /** Milliseconds. Sessions get 2 to 20 times as much. @default 500 */
  readonly tickTime?: number | undefined
  /** Where they keep what they know; made if it is missing, and left behind. @default a temporary folder, removed by `close` */
  readonly directory?: string | undefined
  /** @default what `findZooKeeper` finds */
  readonly classpath?: string | undefined
}

/** ZooKeeper servers on loopback that this process has started. */
export interface ZooKeeperEnsemble extends AsyncDisposable {
  /** For `zookeeper()`: the addresses of all servers, without a path. */
  readonly addresses: string
  readonly servers: readonly ZooKeeperServer[]
  /** The server that leads (or is alone); undefined while there is none. */
  leader(): Promise<ZooKeeperServer | undefined>
  /** Kills the servers. May be called again. */
  close(): Promise<void>
}

/** Another process may take a port between the choice and the start. */
const ATTEMPTS = 3

/**
 * Starts ZooKeeper servers on free ports of loopback, and waits until they serve: for tests, demos and rehearsals of failures. They are killed
 * when this process ends, however it does. Needs Java and ZooKeeper on this machine (UNSUPPORTED, with what to install), and a POSIX shell.
 *
 * @example
 * const ensemble = await zooKeeperEnsemble({ servers: 3 })
 * const coordination = zookeeper(`${ensemble.addresses}/test`)
 * await (await ensemble.leader())?.kill()
 * await ensemble.close()
 */
export async function zooKeeperEnsemble(options: ZooKeeperEnsembleOptions = {}): Promise<ZooKeeperEnsemble> {
  const { servers: count = 1, tickTime = 500, classpath = findZooKeeper() } = options
  if (classpath === undefined) throw new PortalError('UNSUPPORTED', zooKeeperMissing())
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'portal-mq-zookeeper-')))
  const removal = () => (options.directory ? undefined : rm(directory, { recursive: true, force: true }))
  for (let attempt = 1; ; attempt++) {
    const servers = await configure(directory, count, tickTime, classpath)
    try {
      await Promise.all(servers.map((server) => server.start()))
      await Promise.all(servers.map((server) => server.ready()))
      return ensemble(servers, removal)
    } catch (error) {
      await Promise.all(servers.map((server) => server.kill()))
      if (attempt < ATTEMPTS) continue
      await removal()
      throw error
    }
  }
}

/** What to do where ZooKeeper is missing. */
export function zooKeeperMissing(): string {
  return (
    'ZooKeeper is not on this machine. Run: apt-get install --no-install-recommends default-jre-headless libzookeeper-java ' +
    '(Debian, Ubuntu), or: brew install zookeeper; elsewhere (dnf install java-17-openjdk-headless) unpack a release of Apache ZooKeeper and name ' +
    'its folder in ZOOKEEPER_HOME.'
  )
}

function ensemble(
  servers: readonly ZooKeeperServer[],
  removal: () => Promise<void> | undefined,
): ZooKeeperEnsemble {
  const close = async () => {
    await Promise.all(servers.map((server) => server.kill()))
    await removal()
  }
  return {
    addresses: servers.map(({ address }) => address).join(','),
    servers,
    async leader() {
      const modes = await Promise.all(servers.map((server) => server.mode()))
      return servers.find((_, at) => modes[at] === 'leader' || modes[at] === 'standalone')
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function configure(
  directory: string,
  count: number,
  tickTime: number,
  classpath: string,
): Promise<ZooKeeperServer[]> {
  const ports = await freePorts(3 * count)
  const peers = Array.from({ length: count }, (_, at) => {
    return `server.${at + 1}=127.0.0.1:${ports[3 * at + 1]}:${ports[3 * at + 2]}`
  })
  return Promise.all(
    peers.map(async (_, at) => {
      const dataDir = join(directory, `${at + 1}`)
      const port = ports[3 * at]!
      await mkdir(dataDir, { recursive: true })
      const lines = [
        `tickTime=${tickTime}`,
        `dataDir=${dataDir}`,
        `clientPort=${port}`,
        'clientPortAddress=127.0.0.1',
        'admin.enableServer=false',
        '4lw.commands.whitelist=*',
        // Kilobytes of a log file made in advance: the default of 64 MB each is much for a temporary folder.
        'preAllocSize=1024',
        ...(count > 1 ? ['initLimit=10', 'syncLimit=5', ...peers] : []),
      ]
      const configuration = join(dataDir, 'zoo.cfg')
      await writeFile(configuration, `${lines.join('\n')}\n`)
      if (count > 1) await writeFile(join(dataDir, 'myid'), `${at + 1}\n`)
      return new ZooKeeperServer(port, classpath, configuration)
    }),
  )
}
