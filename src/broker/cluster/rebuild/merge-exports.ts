import type { GroupDocument, PartitionDocument, TopicDocument } from '../../../coordination/documents.js'
import { PortalError } from '../../../core/errors.js'
import { resolveGroupSettings } from '../../group-settings.js'
import type { ExportedBroker, ExportedLog } from './exported.js'

/** What the documents of a cluster are to be. */
export interface RebuiltCluster {
  readonly clusterId: string
  readonly brokers: readonly Pick<ExportedBroker, 'brokerId' | 'storageId' | 'generation'>[]
  readonly topics: readonly RebuiltTopic[]
  /** What may be missing, or was left out, in words. */
  readonly warnings: readonly string[]
  /** Those of the warnings that mean that acknowledged messages may be lost. */
  readonly losses: readonly string[]
}

export interface RebuiltTopic {
  readonly topic: TopicDocument
  readonly partitions: readonly PartitionDocument[]
  readonly groups: readonly GroupDocument[]
  /** Every generation that a group was given is below. */
  readonly lastGeneration: number
}

/** Generations that groups may have been given, and of which no log knows. */
const GENERATIONS_SKIPPED = 1_000

/** A log, and whose it is. */
interface Copy extends ExportedLog {
  readonly broker: string
  readonly storage: string
}

/**
 * What a cluster was, by what the directories of its brokers say. Each partition is given to the replicas whose logs have all that the others have: what was
 * acknowledged is in every log of `minInSync`, so it is there as long as no more than `minInSync` - 1 replicas are missing. INVALID_ARGUMENT if the
 * exports do not belong together.
 */
export function mergeExports(exports: readonly ExportedBroker[]): RebuiltCluster {
  const clusterId = checkTogether(exports)
  const warnings: string[] = []
  const losses: string[] = []
  const topics = mergeTopics(exports, warnings).map((topic) => {
    const copies = partitionsOf(topic).map((partition) => copiesOf(exports, topic.id, partition))
    const partitions = copies.map((found, partition) => {
      const needed = topic.config.replicas - topic.config.minInSync + 1
      if (found.length < needed) losses.push(lossOf(topic, partition, found.length, needed))
      return placePartition(topic, partition, found, exports)
    })
    const groups = mergeGroups(topic, copies, exports, warnings)
    const generations = [
      ...groups.map(({ generation }) => generation),
      ...copies.flat().flatMap(generationsOf),
    ]
    return { topic, partitions, groups, lastGeneration: Math.max(0, ...generations) + GENERATIONS_SKIPPED }
  })
  warnings.push(...strays(exports, topics))
  const brokers = exports.map(({ brokerId, storageId, generation }) => ({ brokerId, storageId, generation }))
  return { clusterId, brokers, topics, warnings, losses }
}

function checkTogether(exports: readonly ExportedBroker[]): string {
  const [first] = exports
  if (!first)
    throw invalid('There is nothing to rebuild a cluster from: give the export of each of its brokers.')
  const brokers = new Set<string>()
  for (const { clusterId, brokerId } of exports) {
    if (clusterId !== first.clusterId)
      throw invalid(
        `The exports are of two clusters: broker ${first.brokerId} belongs to ${first.clusterId}, broker ${brokerId} to ${clusterId}.`,
      )
    if (brokers.has(brokerId))
      throw invalid(`There are two exports of the broker ${brokerId}: give the newest.`)
    brokers.add(brokerId)
  }
  return first.clusterId
}

/** Those that were not deleted, each in its newest version; of two of one name the later one. */
function mergeTopics(exports: readonly ExportedBroker[], warnings: string[]): TopicDocument[] {
  const deleted = new Set(exports.flatMap((each) => each.deleted))
  const newest = new Map<string, { readonly topic: TopicDocument; readonly version: number }>()
  for (const noted of exports.flatMap((each) => each.topics)) {
    const known = newest.get(noted.topic.id)
    if (!deleted.has(noted.topic.id) && (known === undefined || noted.version > known.version))
      newest.set(noted.topic.id, noted)
  }
  const byName = new Map<string, TopicDocument>()
  for (const { topic } of newest.values()) {
    const other = byName.get(topic.name)
    if (other)
      warnings.push(`There were two topics ${topic.name}, one after the other: only the later one is kept.`)
    if (!other || topic.createdAt > other.createdAt) byName.set(topic.name, topic)
  }
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function partitionsOf({ partitions }: TopicDocument): number[] {
  return Array.from({ length: partitions }, (_, partition) => partition)
}

/** The logs of a partition that can be counted on, the one that has most first. */
function copiesOf(exports: readonly ExportedBroker[], topicId: string, partition: number): Copy[] {
  const copies = exports.flatMap(({ brokerId, storageId, logs }) =>
    logs
      .filter((log) => log.topicId === topicId && log.partition === partition && log.isWhole)
      .map((log) => ({ ...log, broker: brokerId, storage: storageId })),
  )
  return copies.sort((a, b) => b.epoch - a.epoch || b.end - a.end || (a.broker < b.broker ? -1 : 1))
}

function placePartition(
  { id, config }: TopicDocument,
  partition: number,
  copies: readonly Copy[],
  exports: readonly ExportedBroker[],
): PartitionDocument {
  const [most] = copies
  if (!most) {
    // Nothing was ever written, or it is lost: then it begins anew.
    const { brokerId: broker, storageId: storage } = exports[partition % exports.length]!
    return {
      topicId: id,
      partition,
      epoch: 0,
      leader: null,
      replicas: [{ broker, storage }],
      inSync: [{ broker, storage }],
    }
  }
  const name = ({ broker, storage }: Copy) => ({ broker, storage })
  const equal = copies.filter(({ epoch, end }) => epoch === most.epoch && end === most.end)
  const others = copies.filter((copy) => !equal.includes(copy))
  // Of those that have all of it another one leads each partition.
  const first = partition % equal.length
  const inSync = [...equal.slice(first), ...equal.slice(0, first)]
  const replicas = [...inSync, ...others].slice(0, Math.max(config.replicas, 1)).map(name)
  return {
    topicId: id,
    partition,
    epoch: most.epoch,
    leader: null,
    replicas,
    inSync: inSync.slice(0, replicas.length).map(name),
  }
}

/** Groups that the fullest logs know, with the settings that the broker of such a log has noted, or any other. */
function mergeGroups(
  topic: TopicDocument,
  copies: readonly (readonly Copy[])[],
  exports: readonly ExportedBroker[],
  warnings: string[],
): GroupDocument[] {
  const generations = new Map<string, { generation: number; readonly broker: string }>()
  for (const [most] of copies) {
    for (const [name, generation] of Object.entries(most?.groups ?? {})) {
      const known = generations.get(name)
      if (!known || generation > known.generation) generations.set(name, { generation, broker: most!.broker })
    }
  }
  return [...generations].map(([name, { generation, broker }]) => {
    const noted = exports
      .toSorted((a, b) => Number(b.brokerId === broker) - Number(a.brokerId === broker))
      .flatMap(({ groups }) => groups.filter((group) => group.topicId === topic.id && group.name === name))
    const newest = noted.toSorted((a, b) => b.generation - a.generation)[0]
    if (newest && newest.generation >= generation) return newest
    warnings.push(
      `Nobody has noted the settings of group ${name} of topic ${topic.name}: it gets the defaults.`,
    )
    return {
      topicId: topic.id,
      topic: topic.name,
      name,
      generation,
      createdAt: topic.createdAt,
      from: { kind: 'earliest' },
      settings: resolveGroupSettings(topic.name, {}),
      paused: false,
    }
  })
}

function generationsOf({ groups }: Copy): number[] {
  return Object.values(groups)
}

/** Logs of topics of which nobody knows the name: they stay where they are. */
function strays(exports: readonly ExportedBroker[], topics: readonly RebuiltTopic[]): string[] {
  const known = new Set([
    ...topics.map(({ topic }) => topic.id),
    ...exports.flatMap(({ deleted }) => deleted),
  ])
  const ids = new Set(exports.flatMap(({ logs }) => logs.map(({ topicId }) => topicId)))
  return [...ids]
    .filter((id) => !known.has(id))
    .map(
      (id) => `There are logs of a topic ${id} of which nobody knows the name: they stay, and are not shown.`,
    )
}

function lossOf({ name }: TopicDocument, partition: number, found: number, needed: number): string {
  const of = `partition ${partition} of topic ${name}`
  if (found === 0)
    return `There is no whole log of ${of}: nothing was ever written to it, or all of it is missing.`
  return `There ${found === 1 ? 'is one whole log' : `are ${found} whole logs`} of ${of}: only with ${needed} has one of them certainly every acknowledged message.`
}

function invalid(message: string): PortalError {
  return new PortalError('INVALID_ARGUMENT', message)
}
