import { DocumentFolder } from '../../coordination/document-folder.js'
import { type GroupDocument, groupKind, paths } from '../../coordination/documents.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import { pause } from '../../runtime/pause.js'
import type { Random, Timers } from '../../runtime/runtime.js'
import { groupMoved } from '../consume-service.js'
import type { Hosting } from '../hosting.js'
import type { Topic } from '../topic.js'
import type { ClusterSession } from './session.js'

export interface GroupWatchesParts {
  readonly hosting: Hosting
  readonly timers: Timers
  readonly random: Random
  session(): ClusterSession | undefined
  readonly onError: (error: unknown) => void
}

/** How soon it looks again at what it could not read (ms). */
const RETRY = 500

/** The groups of topics as the coordination store has them: watched for topics of which this broker leads something, read for others. */
export class GroupWatches {
  readonly #parts: GroupWatchesParts
  readonly #folders = new Map<Topic, DocumentFolder<GroupDocument>>()

  constructor(parts: GroupWatchesParts) {
    this.#parts = parts
  }

  /** This broker leads a partition of the topic. */
  watch(topic: Topic): void {
    const session = this.#parts.session()
    if (this.#folders.has(topic) || !session || session.isLost) return
    const { timers, random, onError } = this.#parts
    const folder = new DocumentFolder<GroupDocument>({
      store: session.store,
      documents: session.documents,
      timers,
      random,
      kind: groupKind,
      path: paths.groups(topic.id),
      onChange: () => void this.#apply(topic, folder),
      onError,
    })
    this.#folders.set(topic, folder)
    folder.open().then(
      () => this.#apply(topic, folder),
      (error: unknown) => {
        // With the session, or before the store answers: whoever leads looks again.
        if (this.#folders.get(topic) === folder) this.#folders.delete(topic)
        folder.close()
        if (!isPortalError(error)) throw error
      },
    )
  }

  forget(topic: Topic): void {
    this.#folders.get(topic)?.close()
    this.#folders.delete(topic)
  }

  /** Reads what there is now, and takes it into force. */
  async sync(topic: Topic): Promise<void> {
    const session = this.#parts.session()
    // Without the store nothing can have changed that this broker could know of.
    if (!session || session.isLost) return
    const groups = await session.metadata.listGroups(topic.id)
    await this.#takeAll(topic, groups)
  }

  /** The same of one group: what the others do is no matter of whoever joins it. DISCONNECTED if nobody can say whether there is one. */
  async syncOne(topic: Topic, name: string): Promise<void> {
    const session = this.#parts.session()
    if (!session || session.isLost) {
      if (topic.groups.has(name)) return
      throw new PortalError(
        'DISCONNECTED',
        `The coordination service cannot be reached now: nobody can say whether there is a group ${name}.`,
      )
    }
    const { metadata } = session
    let group = await metadata.readGroup(topic.id, name)
    // Whoever ends a group that is there has its messages delivered again.
    if (!group && topic.groups.has(name)) group = await metadata.readNewestGroup(topic.id, name)
    if (group) await this.#take(topic, group)
    else if (topic.groups.has(name)) await this.#parts.hosting.endGroup(topic, name)
  }

  /** A new session: its watches are to be set again. */
  reopen(): void {
    const topics = [...this.#folders.keys()]
    this.close()
    for (const topic of topics) if (topic.partitions.length > 0) this.watch(topic)
    for (const topic of this.#parts.hosting.topics) if (topic.partitions.length > 0) this.watch(topic)
  }

  close(): void {
    for (const folder of this.#folders.values()) folder.close()
    this.#folders.clear()
  }

  async #apply(topic: Topic, folder: DocumentFolder<GroupDocument>): Promise<void> {
    while (this.#folders.get(topic) === folder) {
      try {
        const groups = [...folder.known.values()].map(({ document }) => document)
        return await this.#takeAll(topic, groups)
      } catch (error) {
        // Of a partition that is led no more its next leader takes care.
        if (!isPortalError(error)) throw error
        if (error.code !== 'DISCONNECTED') return
      }
      await pause(this.#parts.timers, RETRY)
    }
  }

  /** What is there or known and not both is looked up again: since they were listed it may have been made and joined, or deleted. */
  async #takeAll(topic: Topic, groups: readonly GroupDocument[]): Promise<void> {
    const there = new Map(groups.map((group) => [group.name, group]))
    const names = new Set([...there.keys(), ...topic.groups.keys()])
    await Promise.all(
      [...names].map((name) => {
        const group = topic.groups.has(name) ? there.get(name) : undefined
        return group ? this.#take(topic, group) : this.syncOne(topic, name)
      }),
    )
  }

  async #take(topic: Topic, group: GroupDocument): Promise<void> {
    const known = topic.groups.get(group.name)
    if (known && known.generation > group.generation) return
    if (known?.generation === group.generation)
      return topic.setGroup(group, groupMoved(topic.name, group.name))
    await this.#parts.hosting.startGroup(topic, group)
  }
}
