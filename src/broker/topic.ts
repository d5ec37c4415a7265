import type { GroupDocument, TopicDocument } from '../coordination/documents.js'
import type { PortalError } from '../core/errors.js'
import type { GroupSettings } from '../protocol/groups.js'
import type { TopicConfig } from '../protocol/topics.js'
import type { TopicView } from './host.js'
import { TopicCounters } from './metrics/counters.js'
import type { Partition } from './partition.js'
import { Dispatcher } from './waiters.js'

/** A topic as this broker hosts it: its document, the partitions that it leads, its groups. */
export class Topic implements TopicView {
  document: TopicDocument
  /** Those that this broker leads, by their numbers. */
  readonly partitions: Partition[] = []
  readonly groups = new Map<string, GroupDocument>()
  readonly dispatchers = new Map<string, Dispatcher>()
  readonly counters = new TopicCounters()
  /** How many partitions have moved away. */
  departures = 0
  /** Called with what comes into force here of a group; undefined: it has ended. */
  onGroup: (name: string, document: GroupDocument | undefined) => void = () => {}

  constructor(document: TopicDocument) {
    this.document = document
  }

  get id(): string {
    return this.document.id
  }

  get name(): string {
    return this.document.name
  }

  get config(): TopicConfig {
    return { ...this.document.config, partitions: this.document.partitions }
  }

  get retention(): TopicConfig['retention'] {
    return this.document.config.retention
  }

  get maxMessageBytes(): number {
    return this.document.config.maxMessageBytes
  }

  /** Undefined: it is not led here. */
  partition(number: number): Partition | undefined {
    const found = this.partitions[number]
    return found?.partition === number ? found : this.partitions.find(({ partition }) => partition === number)
  }

  addPartition(partition: Partition): void {
    const after = this.partitions.findIndex((other) => other.partition > partition.partition)
    this.partitions.splice(after < 0 ? this.partitions.length : after, 0, partition)
  }

  removePartition(partition: Partition): void {
    const at = this.partitions.indexOf(partition)
    if (at < 0) return
    this.partitions.splice(at, 1)
    this.departures++
  }

  settings(group: string): GroupSettings | undefined {
    return this.groups.get(group)?.settings
  }

  /** Takes a group's document into force. Waiting consumers of an older generation learn that it has ended. */
  setGroup(document: GroupDocument, moved: PortalError): void {
    this.groups.set(document.name, document)
    this.onGroup(document.name, document)
    let dispatcher = this.dispatchers.get(document.name)
    if (!dispatcher) {
      dispatcher = new Dispatcher(document.name, document.generation, document.paused, this.partitions)
      this.dispatchers.set(document.name, dispatcher)
    }
    if (dispatcher.generation !== document.generation) dispatcher.failAll(moved)
    dispatcher.generation = document.generation
    dispatcher.paused = document.paused
    dispatcher.wake()
  }

  removeGroup(name: string, gone: PortalError): void {
    this.groups.delete(name)
    this.onGroup(name, undefined)
    this.dispatchers.get(name)?.failAll(gone)
    this.dispatchers.delete(name)
    this.counters.groups.delete(name)
  }

  /** Ends everything that waits here. */
  close(error: PortalError): void {
    for (const dispatcher of this.dispatchers.values()) dispatcher.failAll(error)
    for (const partition of this.partitions) partition.close(error)
  }
}
