import { isPortalError, PortalError } from '../core/errors.js'
import { type Random, randomId } from '../runtime/runtime.js'
import type { CoordinationStore } from './coordination.js'
import { type DocumentKind, decodeDocument, encodeDocument, type Stamp } from './document-codec.js'

/** A document and the version of its node: the higher one is the newer. */
export interface Versioned<T> {
  readonly document: T
  readonly version: number
}

/** What a change came to: what is there now, and whether that is this caller's doing. */
export interface Change<T> extends Versioned<T> {
  readonly changed: boolean
}

/** Each try loses to one other writer, so losing so often means that something is wrong. */
const MAX_ATTEMPTS = 100
/** Enough to fill a group commit or a pipeline, few enough to bound what is in flight. */
const IN_FLIGHT = 1_000

/**
 * Typed documents in a CoordinationStore.
 *
 * DISCONNECTED from the store means "unknown". Every write carries a stamp, so reading again tells whether it was
 * applied. Only if reading fails too does DISCONNECTED reach the caller, for whom the write stays undecided.
 */
export class DocumentStore {
  readonly #store: CoordinationStore
  readonly #writer: string
  readonly #random: Random

  constructor(
    store: CoordinationStore,
    { writer, random }: { readonly writer: string; readonly random: Random },
  ) {
    this.#store = store
    this.#writer = writer
    this.#random = random
  }

  async read<T extends object>(kind: DocumentKind<T>, path: string): Promise<Versioned<T> | undefined> {
    const node = await this.#store.read(path)
    return node && { document: decodeDocument(kind, path, node.data).document, version: node.version }
  }

  /** All documents below `path`, by name. */
  async readAll<T extends object>(kind: DocumentKind<T>, path: string): Promise<T[]> {
    const names = await this.children(path)
    const found = await inParallel(names, (name) => this.read(kind, `${path}/${name}`))
    return found.flatMap((versioned) => versioned?.document ?? [])
  }

  /** Whether there is a node at `path`. */
  async exists(path: string): Promise<boolean> {
    return (await this.#store.read(path)) !== undefined
  }

  /** What is read from now on is no older than this call: a write goes before it, of a node that never is. */
  async catchUp(): Promise<void> {
    await this.#store.delete('/nothing')
  }

  children(path: string): Promise<string[]> {
    return this.#store.children(path)
  }

  /** Makes the document; resolves to whether it did (false: there is one already). */
  async create<T extends object>(kind: DocumentKind<T>, path: string, document: T): Promise<boolean> {
    const stamp = this.#stamp()
    const bytes = encodeDocument(document, stamp)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      try {
        return (await this.#store.create(path, bytes)) !== undefined
      } catch (error) {
        if (!isPortalError(error, 'DISCONNECTED')) throw error
        const node = await this.#store.read(path)
        if (node !== undefined) return isStampedBy(decodeDocument(kind, path, node.data).stamp, stamp)
      }
    }
    throw tooManyAttempts(path)
  }

  /**
   * Replaces the document by what `change` makes of it, as often as others get in between; undefined leaves it.
   * Resolves to undefined if there is none. `known`: what was read before, tried first without reading again.
   *
   * If an answer is lost and another writer follows at once, `change` may be applied twice: it looks at what it is given, and of which version.
   */
  async change<T extends object>(
    kind: DocumentKind<T>,
    path: string,
    change: (document: T, version: number) => T | undefined,
    known?: Versioned<T>,
  ): Promise<Change<T> | undefined> {
    let current = known ?? (await this.read(kind, path))
    for (let attempt = 0; attempt < MAX_ATTEMPTS && current !== undefined; attempt++) {
      const document = change(current.document, current.version)
      if (document === undefined) return { ...current, changed: false }
      const version = await this.#replace(kind, path, document, current.version)
      if (version !== undefined) return { document, version, changed: true }
      current = await this.read(kind, path)
    }
    if (current === undefined) return undefined
    throw tooManyAttempts(path)
  }

  /** Removes a node (of that version). Resolves to whether there is none of it any more by this call's doing. */
  remove(path: string, version?: number): Promise<boolean> {
    return this.#store.delete(path, version)
  }

  /** Removes a node with all its children, those that come meanwhile too. */
  async removeWithChildren(path: string): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const names = await this.children(path)
      await inParallel(names, (name) => this.remove(`${path}/${name}`))
      if ((await this.remove(path)) || !(await this.exists(path))) return
    }
    throw tooManyAttempts(path)
  }

  /** The new version, or undefined if another write was there first. */
  async #replace<T extends object>(
    kind: DocumentKind<T>,
    path: string,
    document: T,
    version: number,
  ): Promise<number | undefined> {
    const stamp = this.#stamp()
    try {
      return await this.#store.compareAndSet(path, encodeDocument(document, stamp), version)
    } catch (error) {
      if (!isPortalError(error, 'DISCONNECTED')) throw error
      const node = await this.#store.read(path)
      const ours = node !== undefined && isStampedBy(decodeDocument(kind, path, node.data).stamp, stamp)
      return ours ? node.version : undefined
    }
  }

  #stamp(): Stamp {
    return { writer: this.#writer, nonce: randomId(this.#random, 8) }
  }
}

/** Does `work` for all, in order of their start, with a bounded number under way: stores that group commits need many. */
export async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  for (let start = 0; start < items.length; start += IN_FLIGHT) {
    const chunk = items.slice(start, start + IN_FLIGHT)
    results.push(...(await Promise.all(chunk.map((item, index) => work(item, start + index)))))
  }
  return results
}

function isStampedBy(stamp: Stamp, ours: Stamp): boolean {
  return stamp.writer === ours.writer && stamp.nonce === ours.nonce
}

function tooManyAttempts(path: string): PortalError {
  return new PortalError(
    'TIMEOUT',
    `The coordination node ${path} was changed by others ${MAX_ATTEMPTS} times in a row: try again.`,
  )
}
