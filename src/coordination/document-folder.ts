import { isPortalError } from '../core/errors.js'
import type { Random, Timers } from '../runtime/runtime.js'
import type { CoordinationStore } from './coordination.js'
import type { DocumentKind } from './document-codec.js'
import { type DocumentStore, inParallel, type Versioned } from './document-store.js'
import { Refresher } from './refresher.js'

export interface DocumentFolderParts<T> {
  readonly store: CoordinationStore
  readonly documents: DocumentStore
  readonly timers: Timers
  readonly random: Random
  readonly kind: DocumentKind<T>
  /** The path of the node whose children are the documents. */
  readonly path: string
  /** Called after changes were read, with the names of what came, changed or went. Never before `open` has resolved. */
  readonly onChange: (names: readonly string[]) => void
  /**
   * What could not be read. If its bytes are no such document it is left as it was; else it is tried again. That the store is away
   * for now is no news: whoever depends on it hears of that from the session.
   */
  readonly onError: (error: unknown) => void
}

/**
 * All documents of a folder, kept up to date by watches: on the folder for what comes and goes, on each document for its
 * changes. Watches are armed before what they watch is read, so that nothing is missed.
 */
export class DocumentFolder<T extends object> {
  readonly #parts: DocumentFolderParts<T>
  readonly #known = new Map<string, Versioned<T>>()
  readonly #watches = new Map<string, () => void>()
  readonly #touched = new Set<string>()
  readonly #refresher: Refresher
  #listTouched = true
  #opened = false
  #closed = false
  #stopWatching: (() => void) | undefined

  constructor(parts: DocumentFolderParts<T>) {
    this.#parts = parts
    const onError = (error: unknown) => this.#fail(error)
    this.#refresher = new Refresher({ ...parts, work: () => this.#refresh(), onError })
  }

  /** By name. */
  get known(): ReadonlyMap<string, Versioned<T>> {
    return this.#known
  }

  /** Reads everything and begins to watch. May be called again after it has failed. */
  async open(): Promise<void> {
    if (this.#opened) return
    this.#stopWatching ??= this.#parts.store.watch(this.#parts.path, () => {
      this.#listTouched = true
      if (this.#opened) this.#refresher.request()
    })
    await this.#refresh()
    this.#opened = true
    // What was touched while it was read.
    if (this.#listTouched || this.#touched.size > 0) this.#refresher.request()
  }

  /** Takes in what the caller has just written itself; the higher version stays. */
  adopt(name: string, document: Versioned<T>): void {
    const known = this.#known.get(name)
    if (known === undefined || known.version >= document.version) return
    this.#known.set(name, document)
    this.#parts.onChange([name])
  }

  close(): void {
    this.#closed = true
    this.#refresher.stop()
    this.#stopWatching?.()
    for (const stop of this.#watches.values()) stop()
    this.#watches.clear()
  }

  #fail(error: unknown): void {
    if (this.#parts.store.session.lost.aborted) this.close()
    else if (!isPortalError(error, 'DISCONNECTED', 'TIMEOUT', 'CLOSED')) this.#parts.onError(error)
  }

  async #refresh(): Promise<void> {
    const gone = this.#listTouched ? await this.#list() : []
    const names = [...this.#touched]
    this.#touched.clear()
    try {
      const changed = await inParallel(names, (name) => this.#read(name))
      if (this.#closed) return
      const all = [...gone, ...changed.flatMap((name) => name ?? [])]
      if (this.#opened && all.length > 0) this.#parts.onChange(all)
    } catch (error) {
      for (const name of names) this.#touched.add(name)
      // What went is known already, and would not be seen again.
      if (this.#opened && gone.length > 0) this.#parts.onChange(gone)
      throw error
    }
  }

  /** Watches what is new, forgets what is gone and gives its names. */
  async #list(): Promise<string[]> {
    const { store, path } = this.#parts
    this.#listTouched = false
    const names = await store.children(path).catch((error: unknown) => {
      this.#listTouched = true
      throw error
    })
    if (this.#closed) return []
    const present = new Set(names)
    for (const name of names) if (!this.#watches.has(name)) this.#watch(name)
    const gone: string[] = []
    for (const [name, stop] of [...this.#watches]) {
      if (present.has(name)) continue
      stop()
      this.#watches.delete(name)
      this.#touched.delete(name)
      if (this.#known.delete(name)) gone.push(name)
    }
    return gone
  }

  #watch(name: string): void {
    const { store, path } = this.#parts
    this.#touched.add(name)
    const stop = store.watch(`${path}/${name}`, () => {
      this.#touched.add(name)
      if (this.#opened) this.#refresher.request()
    })
    this.#watches.set(name, stop)
  }

  /** The name, if there is news of it. One that is not there any more is for the next list to tell. */
  async #read(name: string): Promise<string | undefined> {
    const { documents, kind, path, onError } = this.#parts
    let found: Versioned<T> | undefined
    try {
      found = await documents.read(kind, `${path}/${name}`)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      onError(error)
      return undefined
    }
    if (found === undefined) {
      this.#listTouched = true
      this.#refresher.request()
      return undefined
    }
    this.#known.set(name, found)
    return name
  }
}

/** Trying again would not help: whoever wrote it must. */
function isUnreadable(error: unknown): boolean {
  return isPortalError(error, 'CORRUPT', 'UNSUPPORTED')
}
