import { execFileSync } from 'node:child_process'
import type { TestProject } from 'vitest/node'
import { has, installPackage } from './install.js'

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
  if (find() === undefined) installPackage('chromium', 'the tests in a browser run in')
  project.provide('chromium', find() ?? '')
}

/** Where a program lies that can be driven; CHROMIUM says it for those that lie elsewhere. */
function find(): string | undefined {
  const { CHROMIUM } = process.env
  if (CHROMIUM) return CHROMIUM
  const found = NAMES.find(has)
  return found && execFileSync('sh', ['-c', `command -v ${found}`], { encoding: 'utf8' }).trim()
}
