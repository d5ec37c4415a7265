import { type ErrorCode, PortalError } from '../../core/errors.js'
import { adviceFor } from './advice.js'
import type { Synchronous } from './connection.js'

/**
 * What the threads say to each other.
 *
 * Main → writer: an ArrayBuffer is a packed commit (commit-packing.ts); `'close'` ends it properly; `'abandon'`, when the
 * storage has failed elsewhere, ends it without the mark of a clean shutdown; a `MakeRoom` is what `Storage.makeRoom` asks for.
 * Writer → main: `Ready`; then, in the order of the commits, a number n: the next n commits are applied and as safe as
 * they were to be; or a `Refused`: the next one does not fit, and changed nothing; or a `Failed`: it and all after it
 * are rejected, for good; a `Reusable` whenever that may have changed much; at the end `'closed'`.
 * Main → reader: `'open'` once the database exists; `ReadRequest`s; `'close'`. Reader → main: `ReadReply`s; `'closed'`.
 */
export interface WorkerSettings {
  readonly role: 'writer' | 'reader'
  readonly directory: string
  readonly synchronous: Synchronous
  readonly pageSize: number
  /** What the process runs, to name the holder of a directory by: a thread sees only its own file. */
  readonly program: string
}

export interface Ready {
  readonly type: 'ready'
  readonly wasClean: boolean
}

export interface Refused {
  readonly type: 'refused'
  readonly error: PackedError
}

export interface Failed {
  readonly type: 'failed'
  readonly error: PackedError
}

export interface MakeRoom {
  readonly type: 'make-room'
  readonly bytes: number
}

/** What is free inside the file. */
export interface Reusable {
  readonly type: 'reusable'
  readonly bytes: number
}

export type WriterRequest = ArrayBuffer | MakeRoom | 'close' | 'abandon'

export type WriterReply = number | 'closed' | Ready | Refused | Failed | Reusable

export type ReadRequest =
  | { readonly id: number; readonly type: 'logs' }
  | {
      readonly id: number
      readonly type: 'read'
      readonly log: string
      readonly from: number
      readonly to: number
      readonly maxBytes: number
      readonly messagesOnly: boolean
    }
  | { readonly id: number; readonly type: 'snapshot'; readonly log: string }
  | { readonly id: number; readonly type: 'page-ids'; readonly log: string }
  | { readonly id: number; readonly type: 'meta'; readonly prefix: string }

export interface ReadReply {
  readonly id: number
  readonly value?: unknown
  readonly error?: PackedError
}

/** An error as it crosses between threads: structured clones lose fields of errors. */
export interface PackedError {
  readonly code: ErrorCode
  readonly message: string
  readonly cause?: { readonly message: string; readonly code?: string | undefined } | undefined
}

export function packError(error: unknown, otherwise: ErrorCode, what: string): PackedError {
  if (error instanceof PortalError) {
    return {
      code: error.code,
      message: error.message,
      cause: error.cause ? packCause(error.cause) : undefined,
    }
  }
  const message = `${what}: ${packCause(error).message}${adviceFor(error)}`
  return { code: otherwise, message, cause: packCause(error) }
}

export function unpackError({ code, message, cause }: PackedError): PortalError {
  if (cause === undefined) return new PortalError(code, message)
  const error = new Error(cause.message)
  return new PortalError(code, message, {
    cause: cause.code === undefined ? error : Object.assign(error, { code: cause.code }),
  })
}

function packCause(cause: unknown): { message: string; code?: string | undefined } {
  if (!(cause instanceof Error)) return { message: String(cause) }
  const { code } = cause as { code?: string }
  return { message: code === undefined ? cause.message : `${cause.message} (${code})`, code }
}
