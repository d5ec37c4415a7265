import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const DEBIAN = ['/usr/share/java/zookeeper.jar', '/usr/share/java/slf4j-nop.jar']
const HOMEBREW = [
  '/opt/homebrew/opt/zookeeper',
  '/usr/local/opt/zookeeper',
  '/home/linuxbrew/.linuxbrew/opt/zookeeper',
]

/**
 * The Java classpath of ZooKeeper on this machine: PORTAL_MQ_ZOOKEEPER_CLASSPATH, or what is below ZOOKEEPER_HOME, or what Debian's package
 * libzookeeper-java or Homebrew has installed. Undefined if there is none, or no `java` on the PATH.
 */
export function findZooKeeper(
  env: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  if (!isOnPath('java', env['PATH'] ?? '')) return undefined
  if (env['PORTAL_MQ_ZOOKEEPER_CLASSPATH']) return env['PORTAL_MQ_ZOOKEEPER_CLASSPATH']
  const home = env['ZOOKEEPER_HOME']
  if (home && existsSync(join(home, 'lib'))) return join(home, 'lib', '*')
  if (DEBIAN.every((jar) => existsSync(jar))) return DEBIAN.join(delimiter)
  const brewed = HOMEBREW.map((folder) => join(folder, 'libexec/lib')).find((folder) => existsSync(folder))
  return brewed && join(brewed, '*')
}

function isOnPath(program: string, path: string): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
