import { has, installPackage } from './install.js'

/** Disk faults are injected with strace. Where it cannot be had, the tests that need it fail, with the command that would provide it. */
export default function setup(): void {
  if (!has('strace')) installPackage('strace', 'the tests inject disk faults with')
}
