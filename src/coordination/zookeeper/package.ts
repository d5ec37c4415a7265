import { isMainThread } from 'node:worker_threads'
import { PortalError } from '../../core/errors.js'

/**
 * What is used of the package `zookeeper`: no other file names it, and nothing else of it is touched. Its own types are loose, and its
 * promises hide the codes of errors in texts, so the calls with callbacks are taken.
 */
export interface NativeZooKeeper {
  init(config: object): unknown
  close(): void
  on(event: string, listener: (first: unknown, second: unknown) => void): unknown
  /** Hexadecimal. */
  readonly client_id: string
  /** The session's timeout in milliseconds, as the server has granted it. */
  readonly timeout: number

  a_sync(path: string, done: NativeCallback): number
  a_create(path: string, data: Uint8Array, flags: number, done: NativeCallback): number
  a_exists(path: string, watch: boolean, done: NativeCallback): number
  a_get(path: string, watch: boolean, done: NativeCallback): number
  a_get_children(path: string, watch: boolean, done: NativeCallback): number
  a_set(path: string, data: Uint8Array, version: number, done: NativeCallback): number
  a_delete_(path: string, version: number, done: NativeCallback): number
}

/** The results follow the code and its text. */
export type NativeCallback = (code: number, text: string, ...results: never[]) => void

export interface NativeStat {
  readonly version: number
  /** The session of an ephemeral node, hexadecimal; '0' for a persistent one. */
  readonly ephemeralOwner: string
}

export type NativeConstructor = new (config: object) => NativeZooKeeper

/** Loads the package, which is an optional peer. Throws UNSUPPORTED with the command that provides it. */
export async function loadPackage(
  load: () => Promise<unknown> = () => import('zookeeper'),
  inMainThread: boolean = isMainThread,
): Promise<NativeConstructor> {
  // A second isolate that loads it, and one that ends with a client open, abort the whole process.
  if (!inMainThread) {
    throw new PortalError(
      'UNSUPPORTED',
      "The package zookeeper aborts the process when a worker thread uses it: open the broker in the main thread, or take the client 'builtin'.",
    )
  }
  try {
    return ((await load()) as { readonly default: NativeConstructor }).default
  } catch (cause) {
    throw unsupported(cause)
  }
}

function unsupported(cause: unknown): PortalError {
  const missing = (cause as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND'
  const approve = 'npm install-scripts approve zookeeper'
  return new PortalError(
    'UNSUPPORTED',
    missing
      ? "The package zookeeper, which the client 'package' needs, is not installed (the client 'builtin' does without). " +
          'It is compiled at installation (python3, make, g++). ' +
          `Run: npm install zookeeper@7 (npm 12 then: ${approve} && npm rebuild zookeeper), or: pnpm add zookeeper@7 && pnpm approve-builds`
      : `The package zookeeper cannot be loaded by Node ${process.versions.node}: its binary is missing or made for another Node. ` +
          `Run: npm rebuild zookeeper (npm 12 first: ${approve}), or: pnpm approve-builds && pnpm rebuild zookeeper`,
    { cause },
  )
}
