import { type DocumentKind, decodeDocument } from '../../src/coordination/document-codec.js'
import {
  type GroupDocument,
  groupKind,
  type MemberDocument,
  memberKind,
  type PartitionDocument,
  partitionKind,
  type ReplicaName,
  type TopicDocument,
  topicKind,
} from '../../src/coordination/documents.js'
import { isSameReplica } from '../../src/core/placement/placed-partition.js'
import type { Ensemble } from './ensemble.js'
import type { Trace } from './trace.js'
import { check } from './violation.js'

/** Who wants to know of partitions' documents, and of members'. */
export interface DocumentWatcher {
  changed(log: string, document: PartitionDocument, before: PartitionDocument | undefined): void
  /** A tombstone was written. */
  buried(topicId: string): void
  /** A broker lives, under this generation. */
  registered(member: MemberDocument): void
}

/** Reads every document as it is written to the coordination service, and remembers who led what. */
export class DocumentAudit {
  /** By log: what is in force. */
  readonly partitions = new Map<string, PartitionDocument>()
  /** By topic id. */
  readonly topics = new Map<string, TopicDocument>()
  /** By topic id and name. */
  readonly groups = new Map<string, Map<string, GroupDocument>>()
  /** `topic group` of those that now or once had no dead letters. */
  readonly discarding = new Set<string>()
  /** Topic ids with a tombstone, now or ever. */
  readonly #tombstones = new Set<string>()
  readonly #leaders = new Map<string, ReplicaName>()
  readonly #ensemble: Ensemble
  readonly #trace: Trace
  readonly #watcher: DocumentWatcher

  constructor(ensemble: Ensemble, trace: Trace, watcher: DocumentWatcher) {
    this.#ensemble = ensemble
    this.#trace = trace
    this.#watcher = watcher
    ensemble.observers.push((touched) => {
      for (const path of [...touched].sort()) this.#look(path)
    })
  }

  /** Who was given the right to write entries of an epoch. */
  leaderOf(log: string, epoch: number): ReplicaName | undefined {
    return this.#leaders.get(`${log} ${epoch}`)
  }

  /** Its data may go: it was deleted. */
  isGone(topicId: string): boolean {
    return this.#tombstones.has(topicId)
  }

  /** The ids of all topics that ever had this name. */
  named(name: string): string[] {
    return [...this.topics.values()].filter((topic) => topic.name === name).map(({ id }) => id)
  }

  minInSync(log: string): number {
    return this.topics.get(topicOf(log))?.config.minInSync ?? 1
  }

  #look(path: string): void {
    const [, folder, topic, partition] = path.split('/')
    if (folder === 'deleted' && topic !== undefined) this.#tombstone(topic)
    else if (folder === 'topics' && topic !== undefined) this.#topic(path)
    else if (folder === 'groups' && topic !== undefined && partition !== undefined)
      this.#group(path, topic, partition)
    else if (folder === 'members' && topic !== undefined) this.#member(path)
    else if (folder === 'partitions' && partition !== undefined)
      this.#partition(path, `${topic}/${partition}`)
  }

  #tombstone(topicId: string): void {
    if (this.#tombstones.has(topicId)) return
    this.#trace.line(`document: topic ${topicId} is deleted`)
    this.#tombstones.add(topicId)
    this.#watcher.buried(topicId)
  }

  #topic(path: string): void {
    const document = this.#read(topicKind, path)
    if (!document) return
    check(
      !this.#tombstones.has(document.id),
      () => `[11] topic ${document.name} (${document.id}) is there again after it was deleted`,
    )
    this.topics.set(document.id, document)
  }

  #group(path: string, topicId: string, name: string): void {
    const group = this.#read(groupKind, path)
    const groups = this.groups.get(topicId) ?? new Map<string, GroupDocument>()
    this.groups.set(topicId, groups)
    if (group) groups.set(name, group)
    else groups.delete(name)
    if (group?.settings.deadLetter === false) this.discarding.add(`${group.topic} ${name}`)
  }

  #member(path: string): void {
    const member = this.#read(memberKind, path)
    if (member) this.#watcher.registered(member)
  }

  #partition(path: string, log: string): void {
    const document = this.#read(partitionKind, path)
    const before = this.partitions.get(log)
    if (!document) {
      // Who loses the race for a name takes back what nobody ever found.
      const allowed = before === undefined || this.isGone(topicOf(log)) || !this.topics.has(topicOf(log))
      check(allowed, () => `[11] the document of ${log} is gone, and no tombstone says why`)
      this.partitions.delete(log)
      return
    }
    this.#trace.line(`document: ${log} ${describe(document)}`)
    this.#checkChange(log, document, before)
    this.partitions.set(log, document)
    if (document.leader) this.#leaders.set(`${log} ${document.epoch}`, document.leader)
    this.#watcher.changed(log, document, before)
  }

  #checkChange(log: string, document: PartitionDocument, before: PartitionDocument | undefined): void {
    const { epoch, leader, inSync, replicas, target = [] } = document
    if (before !== undefined) {
      const isSame = isSameReplica(leader, before.leader) && document.incarnation === before.incarnation
      const step = epoch - before.epoch
      check(step === 0 || step === 1, () => `[1] ${log}: epoch ${epoch} follows ${before.epoch}`)
      check(step === 1 || isSame, () => `[1] ${log}: another leader in the same epoch: ${describe(document)}`)
      // Nobody has asked for an unclean election.
      const isClean = leader === null || step === 0 || before.inSync.some((one) => isSameReplica(one, leader))
      check(isClean, () => `[4] ${log}: a leader that was not in sync: ${describe(document)}`)
    }
    check(
      leader === null || inSync.some((replica) => isSameReplica(replica, leader)),
      () => `[9] ${log}: the leader is not in sync: ${describe(document)}`,
    )
    for (const replica of inSync) {
      const isReplica = [...replicas, ...target].some((other) => isSameReplica(other, replica))
      check(isReplica, () => `${log}: ${replica.broker} is in sync and no replica: ${describe(document)}`)
    }
  }

  #read<T>(kind: DocumentKind<T>, path: string): T | undefined {
    const node = this.#ensemble.truth.read(path)
    // Parents that were made with their first child are empty.
    if (node === undefined || node.data.length === 0) return undefined
    return decodeDocument(kind, path, node.data).document
  }
}

export function topicOf(log: string): string {
  return log.slice(0, log.lastIndexOf('/'))
}

function describe({ epoch, leader, inSync, replicas, target, incarnation }: PartitionDocument): string {
  const names = (list: readonly ReplicaName[]) => list.map(({ broker }) => broker).join(',')
  const move = target ? ` moves to ${names(target)}` : ''
  return `epoch ${epoch} leader ${leader?.broker ?? 'nobody'}.${incarnation ?? ''} in sync ${names(inSync)} of ${names(replicas)}${move}`
}
