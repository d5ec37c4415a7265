import { execFileSync } from 'node:child_process'

/**
 * Installs those of Debian's packages that tests need, once and said aloud, where that can be done (PORTAL_MQ_INSTALL=0 forbids it): on Linux with
 * apt-get, as root or with passwordless sudo. `what`: what it is for.
 */
export function installPackage(names: string | readonly string[], what: string): void {
  const packages = [names].flat()
  if (process.env['PORTAL_MQ_INSTALL'] === '0' || process.platform !== 'linux' || !has('apt-get')) return
  const isRoot = process.getuid?.() === 0
  if (!isRoot && !works('sudo', ['-n', 'true'])) return
  console.log(`Installing ${packages.join(' and ')}, which ${what} (PORTAL_MQ_INSTALL=0 forbids it)`)
  const apt = (...args: string[]) =>
    works(isRoot ? 'apt-get' : 'sudo', isRoot ? args : ['-n', 'apt-get', ...args])
  const install = () => apt('install', '-q', '-y', '--no-install-recommends', ...packages)
  install() || (apt('update', '-q') && install())
}

export function has(program: string): boolean {
  return works('sh', ['-c', `command -v ${program}`])
}

function works(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
    return true
  } catch {
    return false
  }
}
