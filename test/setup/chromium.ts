import { execFileSync } from 'node:child_process'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The path of a Chromium; empty: there is none. */
    chromium: string
  }
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

/**
 * The tests in a browser need a Chromium. Where it is missing and Debian's packages can be had it is installed, once and said aloud
 * (PORTAL_MQ_INSTALL=0 forbids it); else they fail, with the command that would provide it.
 */
export default function setup(project: TestProject): void {
  if (find() === undefined) install()
  project.provide('chromium', find() ?? '')
}

function install(): void {
  if (process.env['PORTAL_MQ_INSTALL'] === '0' || process.platform !== 'linux' || !has('apt-get')) return
  const isRoot = process.getuid?.() === 0
  if (!isRoot && !works('sudo', ['-n', 'true'])) return
  console.log('Installing chromium, which the tests in a browser run in (PORTAL_MQ_INSTALL=0 forbids it)')
  const apt = (...args: string[]) =>
    works(isRoot ? 'apt-get' : 'sudo', isRoot ? args : ['-n', 'apt-get', ...args])
  apt('install', '-q', '-y', '--no-install-recommends', 'chromium') ||
    (apt('update', '-q') && apt('install', '-q', '-y', '--no-install-recommends', 'chromium'))
}

/** Where a program lies that can be driven; CHROMIUM says it for those that lie elsewhere. */
function find(): string | undefined {
  const { CHROMIUM } = process.env
  if (CHROMIUM) return CHROMIUM
  const found = NAMES.find(has)
  return found && execFileSync('sh', ['-c', `command -v ${found}`], { encoding: 'utf8' }).trim()
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
