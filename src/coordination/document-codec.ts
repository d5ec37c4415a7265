import { PortalError } from '../core/errors.js'

/** The version of the documents that this build writes. */
export const DOCUMENT_VERSION = 1

/** What a node's bytes must hold to be read as a T. Fields that are not named are kept as they are. */
export interface DocumentKind<T> {
  /** As it is called in messages. */
  readonly what: string
  readonly fields: { readonly [Field in keyof T]-?: (value: unknown) => boolean }
}

/**
 * Who wrote a document, and a nonce of that write. A write whose answer was lost can be told by it from another's
 * when the node is read again.
 */
export interface Stamp {
  readonly writer: string
  readonly nonce: string
}

export interface DecodedDocument<T> {
  readonly document: T
  readonly stamp: Stamp
}

/** JSON, so that people can read it with the coordination service's own tools. */
export function encodeDocument<T extends object>(document: T, { writer, nonce }: Stamp): Uint8Array {
  return encoder.encode(JSON.stringify({ v: DOCUMENT_VERSION, ...document, writer, nonce }))
}

/** UNSUPPORTED for documents of a newer build, CORRUPT for what is no such document. */
export function decodeDocument<T>(
  kind: DocumentKind<T>,
  path: string,
  bytes: Uint8Array,
): DecodedDocument<T> {
  const value = parse(kind, path, bytes)
  if (!isObject(value) || !isCount(value.v) || value.v < 1) throw corrupt(kind, path, 'it has no version')
  if (value.v > DOCUMENT_VERSION) {
    throw new PortalError(
      'UNSUPPORTED',
      `The ${kind.what} document ${path} has version ${value.v}, but this portal-mq knows ${DOCUMENT_VERSION}: use a newer one.`,
    )
  }
  const { v: _, writer, nonce, ...document } = value
  if (!isText(writer) || !isText(nonce)) throw corrupt(kind, path, 'it does not say who wrote it')
  for (const [field, fits] of Object.entries<(value: unknown) => boolean>(kind.fields)) {
    if (!fits(document[field])) throw corrupt(kind, path, `its field "${field}" is missing or wrong`)
  }
  return { document: document as T, stamp: { writer, nonce } }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

/** An integer from 0 on. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

export function isFlag(value: unknown): value is boolean {
  return typeof value === 'boolean'
}

export function isNull(value: unknown): value is null {
  return value === null
}

export function listOf(fits: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.every(fits)
}

export function optional(fits: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => value === undefined || fits(value)
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

function parse(kind: { readonly what: string }, path: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes))
  } catch (cause) {
    throw corrupt(kind, path, 'it is no JSON', cause)
  }
}

function corrupt(kind: { readonly what: string }, path: string, why: string, cause?: unknown): PortalError {
  return new PortalError('CORRUPT', `The ${kind.what} document ${path} cannot be read: ${why}.`, { cause })
}
