import { execFileSync } from 'node:child_process'

/**
 * Disk faults are injected with strace. Where it is missing and Debian's packages can be had it is installed, once and said aloud
 * (PORTAL_MQ_INSTALL=0 forbids it); else the tests that need it fail, with the command that would provide it.
 */
export default function setup(): void {
  if (has('strace') || process.env['PORTAL_MQ_INSTALL'] === '0' || !has('apt-get')) return
  const isRoot = process.getuid?.() === 0
  if (!isRoot && !works('sudo', ['-n', 'true'])) return
  console.log('Installing strace, which the tests inject disk faults with (PORTAL_MQ_INSTALL=0 forbids it)')
  const apt = (...args: string[]) =>
    works(isRoot ? 'apt-get' : 'sudo', isRoot ? args : ['-n', 'apt-get', ...args])
  apt('install', '-q', '-y', '--no-install-recommends', 'strace') ||
    (apt('update', '-q') && apt('install', '-q', '-y', '--no-install-recommends', 'strace'))
}

function has(program: string): boolean {
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
