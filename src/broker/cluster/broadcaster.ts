import { encodeDocument } from '../../coordination/document-codec.js'
import type { Versioned } from '../../coordination/document-store.js'
import { type MemberDocument, paths } from '../../coordination/documents.js'
import type { PeerService, PushedDocument } from '../../protocol/peer-service.js'
import type { ClusterState } from './cluster-state.js'
import { Outbox, type OutboxParts } from './outbox.js'

export interface BroadcasterParts extends Omit<OutboxParts, 'nextSequence'> {
  connectPeer(url: string): PeerService
}

/** Keeps every living broker told of every document: everything when it is new or was started again, and then what changes. */
export class Broadcaster {
  readonly #parts: BroadcasterParts
  readonly #state: ClusterState
  readonly #outboxes = new Map<string, { readonly member: MemberDocument; readonly outbox: Outbox }>()
  /** Encoded once for all brokers that are told. */
  readonly #texts = new WeakMap<object, string>()
  #sequence = 0

  constructor(parts: BroadcasterParts, state: ClusterState) {
    this.#parts = parts
    this.#state = state
  }

  close(): void {
    for (const { outbox } of this.#outboxes.values()) outbox.close()
    this.#outboxes.clear()
  }

  /** How to speak to a broker, if it lives. */
  outboxOf(broker: string): Outbox | undefined {
    return this.#outboxes.get(broker)?.outbox
  }

  /** To everyone. */
  push(path: string, { document, version }: Versioned<object>): void {
    this.#pushAll(this.#describe(path, { document, version }))
  }

  pushRemoval(path: string, version: number): void {
    this.#pushAll({ path, version, text: undefined })
  }

  /** To one broker that lives. */
  pushTo(broker: string, path: string, document: Versioned<object>): void {
    this.outboxOf(broker)?.push(this.#describe(path, document))
  }

  /** Begins and ends outboxes as members come and go, and tells everyone of that. */
  changeMembers(brokers: readonly string[]): void {
    for (const broker of brokers) {
      const member = this.#state.members.known.get(broker)
      const current = this.#outboxes.get(broker)
      if (current && !(member && isSameLife(member.document, current.member))) {
        current.outbox.close()
        this.#outboxes.delete(broker)
      }
      if (member) this.push(paths.member(broker), member)
      else this.pushRemoval(paths.member(broker), 0)
      if (member && !this.#outboxes.has(broker)) this.#open(member.document)
    }
  }

  #open(member: MemberDocument): void {
    const { broker, storage, generation, url } = member
    const parts = { ...this.#parts, nextSequence: () => ++this.#sequence }
    const outbox = new Outbox(parts, { broker, storage, generation }, this.#parts.connectPeer(url), url)
    this.#outboxes.set(broker, { member, outbox })
    for (const document of this.#everything()) outbox.push(document)
  }

  /** Who there is goes first: what follows names them. That a broker is no member has to be said too. */
  *#everything(): Iterable<PushedDocument> {
    const { members, brokers, tombstones, topics, partitions } = this.#state
    for (const [broker, member] of members.known) yield this.#describe(paths.member(broker), member)
    for (const [broker, document] of brokers.known) {
      if (!members.known.has(broker)) yield { path: paths.member(broker), version: 0, text: undefined }
      yield this.#describe(paths.broker(broker), document)
    }
    for (const [id, tombstone] of tombstones.known) yield this.#describe(paths.tombstone(id), tombstone)
    for (const topic of topics) yield this.#describe(paths.topic(topic.document.name), topic)
    for (const [path, partition] of partitions) yield this.#describe(path, partition)
  }

  #pushAll(document: PushedDocument): void {
    for (const { outbox } of this.#outboxes.values()) outbox.push(document)
  }

  #describe(path: string, { document, version }: Versioned<object>): PushedDocument {
    let text = this.#texts.get(document)
    if (text === undefined) {
      text = decoder.decode(encodeDocument(document, { writer: this.#parts.from.broker, nonce: '' }))
      this.#texts.set(document, text)
    }
    return { path, version, text }
  }
}

const decoder = new TextDecoder()

function isSameLife(a: MemberDocument, b: MemberDocument): boolean {
  return a.storage === b.storage && a.generation === b.generation && a.url === b.url
}
