import { PortalError } from '../core/errors.js'

/** Sequential names end in `-` and this many digits. */
export const SEQUENCE_DIGITS = 10

/** Characters that a coordination service refuses in a path (ZooKeeper's list). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/

/** Throws INVALID_ARGUMENT unless `path` is absolute, without an empty, `.` or `..` part. The root is `/`. */
export function checkPath(path: string): void {
  if (typeof path !== 'string' || !path.startsWith('/')) throw invalid(path, 'it must start with "/"')
  if (FORBIDDEN.test(path)) throw invalid(path, 'it holds a character that no path may hold')
  if (path === '/') return
  for (const part of path.slice(1).split('/')) {
    if (part === '') throw invalid(path, 'it has an empty part')
    if (part === '.' || part === '..') throw invalid(path, `it has the part "${part}"`)
  }
}

/** The path of the node above; of `/a` it is `/`. */
export function parentPath(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}

/** The last part of a path. */
export function nodeName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** What a sequential node gets for the `number` that its parent gave it. */
export function sequentialPath(path: string, number: number): string {
  return `${path}-${String(number).padStart(SEQUENCE_DIGITS, '0')}`
}

/** The number at the end of a sequential name, or undefined if it has none. */
export function sequenceOf(name: string): number | undefined {
  const digits = name.slice(-SEQUENCE_DIGITS)
  return name.at(-SEQUENCE_DIGITS - 1) === '-' && /^\d{10}$/.test(digits) ? Number(digits) : undefined
}

function invalid(path: unknown, why: string): PortalError {
  return new PortalError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(path) ?? String(path)} is no path of a node: ${why}.`,
  )
}
