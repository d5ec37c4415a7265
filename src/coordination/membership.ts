import { isPortalError, PortalError } from '../core/errors.js'
import { onAbort } from '../runtime/on-abort.js'
import type { Random, Timers } from '../runtime/runtime.js'
import { type BrokerLife, checkRegistration, registerGeneration } from './broker-registration.js'
import type { CoordinationStore } from './coordination.js'
import { decodeDocument, encodeDocument } from './document-codec.js'
import { DocumentFolder } from './document-folder.js'
import { DocumentStore } from './document-store.js'
import { type MemberDocument, memberKind, paths } from './documents.js'
import { WaitLimit } from './wait-limit.js'

/** Longer than any session that a broker which died may leave behind, in milliseconds. */
const WAIT_FOR_OLDER = 60_000

export interface MembershipParts {
  readonly store: CoordinationStore
  readonly timers: Timers
  readonly random: Random
  /** What could not be read of the other members; it is tried again. */
  readonly onError: (error: unknown) => void
}

/** What a broker says of its disk, as the member's document explains it. */
export interface DiskState {
  readonly full: boolean
  readonly stalled: boolean
}

export interface MembershipOptions {
  /** A random id of this process's life: the same for all its sessions, and never again. */
  readonly life: string
  /** Those that the database knows of. */
  readonly lives?: readonly string[] | undefined
  /** Milliseconds to wait for the node that an earlier session of this broker left behind. @default 60,000 */
  readonly wait?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A broker's place among the living, for as long as one session: a new session needs a new object. */
export class Membership {
  readonly #parts: MembershipParts
  readonly #documents: DocumentStore
  readonly #folder: DocumentFolder<MemberDocument>
  readonly #listeners = new Set<(brokers: readonly string[]) => void>()
  readonly #broker: BrokerLife

  private constructor(parts: MembershipParts, documents: DocumentStore, broker: BrokerLife) {
    this.#parts = parts
    this.#documents = documents
    this.#broker = broker
    this.#folder = new DocumentFolder({
      ...parts,
      documents,
      kind: memberKind,
      path: paths.members,
      onChange: (brokers) => {
        for (const listener of [...this.#listeners]) listener(brokers)
      },
    })
  }

  /**
   * Registers the generation, waits until no older session of this broker is a member any more, and becomes one.
   *
   * CORRUPT: the database is an old copy. DIRECTORY_IN_USE: another process is this broker. ABORTED by the signal. DISCONNECTED: try
   * again, with the same `life`.
   */
  static async join(
    parts: MembershipParts,
    member: MemberDocument,
    { life, lives, wait = WAIT_FOR_OLDER, signal }: MembershipOptions,
  ): Promise<Membership> {
    const documents = new DocumentStore(parts.store, { writer: member.broker, random: parts.random })
    const broker: BrokerLife = { ...nameOf(member), life, lives }
    const membership = new Membership(parts, documents, broker)
    const limit = new WaitLimit(parts.timers, { what: `Joining as ${member.broker}`, wait, signal })
    const { lost } = parts.store.session
    const forget = onAbort(lost, () => limit.endWith(sessionLost(lost.reason)))
    try {
      await checkRegistration(documents, broker)
      await membership.#olderGone(limit)
      await registerGeneration(documents, broker)
      while (!(await membership.#create(member))) await membership.#olderGone(limit)
      await membership.#folder.open()
      return membership
    } catch (error) {
      membership.#folder.close()
      throw error
    } finally {
      forget()
      limit.dispose()
    }
  }

  /** Who lives, by broker id, as far as this broker has heard. */
  get members(): ReadonlyMap<string, MemberDocument> {
    return new Map([...this.#folder.known].map(([broker, { document }]) => [broker, document]))
  }

  /** Calls `listener` with the ids of brokers that came, changed or went. Returns what stops it. */
  onChange(listener: (brokers: readonly string[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Says that this broker is about to leave: it is given nothing new from here on. */
  setLeaving(): Promise<void> {
    return this.#change((member) => (member.leaving ? undefined : { ...member, leaving: true }))
  }

  /** Says how its disk is. */
  setDisk(disk: DiskState): Promise<void> {
    return this.#change((member) => (isDiskOf(member, disk) ? undefined : { ...member, ...disk }))
  }

  /** Writes a clean stop, which is in the database already, into the broker's node: a copy of before it does not know of its life. */
  recordStop(stopped: Pick<BrokerLife, 'generation' | 'life'>): Promise<void> {
    return registerGeneration(this.#documents, { ...this.#broker, lives: [this.#broker.life], ...stopped })
  }

  /** Ends the membership before the session does. May be called twice. */
  async close(): Promise<void> {
    this.#folder.close()
    this.#listeners.clear()
    const { store } = this.#parts
    if (!store.session.lost.aborted) await store.delete(paths.member(this.#broker.broker))
  }

  async #change(change: (member: MemberDocument) => MemberDocument | undefined): Promise<void> {
    const path = paths.member(this.#broker.broker)
    const changed = await this.#documents.change(memberKind, path, change)
    if (changed === undefined) throw sessionLost(undefined)
  }

  /** Whether this session's node is there now; false: another session's is. */
  async #create(member: MemberDocument): Promise<boolean> {
    const { store } = this.#parts
    const path = paths.member(member.broker)
    const bytes = encodeDocument(member, { writer: this.#broker.life, nonce: store.session.id })
    try {
      if ((await store.create(path, bytes, { ephemeral: true })) !== undefined) return true
    } catch (error) {
      if (!isPortalError(error, 'DISCONNECTED')) throw error
    }
    const node = await store.read(path)
    return node !== undefined && node.owner === store.session.id
  }

  /** Resolves once no other session of this broker has a node. */
  async #olderGone(limit: WaitLimit): Promise<void> {
    const { store } = this.#parts
    const path = paths.member(this.#broker.broker)
    let wake = () => {}
    const stopWatching = store.watch(path, () => wake())
    const forget = limit.onEnd(() => wake())
    try {
      for (;;) {
        const changed = new Promise<void>((resolve) => (wake = resolve))
        if (limit.end !== undefined && limit.end !== 'timeout') throw limit.end
        const node = await store.read(path)
        if (node === undefined || node.owner === store.session.id) return
        if (limit.end === 'timeout') throw inUse(decodeDocument(memberKind, path, node.data).document)
        await changed
      }
    } finally {
      stopWatching()
      forget()
    }
  }
}

/** Whether the document says so. */
export function isDiskOf({ full = false, stalled = false }: MemberDocument, disk: DiskState): boolean {
  return full === disk.full && stalled === disk.stalled
}

function nameOf({ broker, storage, generation }: MemberDocument) {
  return { broker, storage, generation }
}

function sessionLost(cause: unknown): PortalError {
  return new PortalError('DISCONNECTED', "The broker's coordination session was lost: begin a new one.", {
    cause,
  })
}

function inUse({ broker, url }: MemberDocument): PortalError {
  return new PortalError(
    'DIRECTORY_IN_USE',
    `Another process is the broker ${broker}, at ${url}: stop it, or give this one a directory that is no copy of the other's.`,
  )
}
