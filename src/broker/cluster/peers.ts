import { decodeDocument } from '../../coordination/document-codec.js'
import { partitionKind, paths } from '../../coordination/documents.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import { PortalError } from '../../core/errors.js'
import { INTERNAL_PRODUCER_PREFIX } from '../../core/producer-window.js'
import { verifyBatch } from '../../core/record-batch-verify.js'
import type {
  Incarnation,
  PeerService,
  PushedDocument,
  UpdateRequest,
  UpdateResponse,
} from '../../protocol/peer-service.js'
import type { Crc32 } from '../../runtime/runtime.js'
import { appendInternal } from '../dead-letters.js'
import type { Hosting } from '../hosting.js'
import type { ReplicaSet } from '../replication/replica-set.js'
import type { Topic } from '../topic.js'
import type { Catalog, CatalogChanges } from './catalog.js'
import type { Controller } from './controller.js'

export interface PeersParts {
  readonly crc32: Crc32
  clusterId(): string
  incarnation(): Incarnation
  readonly catalog: Catalog
  readonly hosting: Hosting
  replicas(): ReplicaSet | undefined
  controller(): Controller | undefined
  /** Partition documents came from a controller. */
  took(documents: readonly VersionedPartition[], controller: Incarnation): void
  /** The controller does not know it yet. */
  report(document: VersionedPartition): void
  /** A broker wrote a partition's document. */
  learn(document: VersionedPartition): void
  handOver(topicId: string, partition: number, epoch: number, to: Incarnation): Promise<void>
  /** A topic was deleted: it is not shown any more. */
  topicGone(topic: Topic): void
  /** What was told comes into force. */
  note(changes: CatalogChanges): void
  /** Removes all that is stored of a topic. */
  removeTopic(topicId: string, error: PortalError): Promise<void>
}

interface Sender {
  readonly cluster: string
  readonly from: Incarnation
}

/** What this broker does for the others of its cluster. */
export function peerService(parts: PeersParts): PeerService {
  const { catalog, hosting } = parts
  /** The highest life of each broker that was heard of: earlier ones are not believed any more (invariant 2). */
  const lives = new Map<string, number>()

  function check({ cluster, from }: Sender): void {
    if (cluster !== parts.clusterId()) {
      throw new PortalError(
        'INVALID_ARGUMENT',
        `Broker ${from.broker} is of the cluster ${cluster}, this one of ${parts.clusterId()}.`,
      )
    }
    const key = `${from.broker}/${from.storage}`
    const highest = lives.get(key) ?? -1
    if (from.generation < highest) {
      throw new PortalError(
        'NOT_LEADER',
        `Life ${from.generation} of broker ${from.broker} is over: life ${highest} was heard.`,
      )
    }
    lives.set(key, from.generation)
  }

  function replicas(): ReplicaSet {
    const set = parts.replicas()
    if (set) return set
    throw new PortalError('DISCONNECTED', 'This broker is still opening.')
  }

  async function update(request: UpdateRequest): Promise<UpdateResponse> {
    const me = parts.incarnation()
    const { to } = request
    if (to.broker !== me.broker || to.storage !== me.storage || to.generation !== me.generation) {
      throw new PortalError(
        'NOT_LEADER',
        `This is life ${me.generation} of ${me.broker}, not ${to.generation}.`,
      )
    }
    const changes = catalog.accept(request)
    parts.note(changes)
    for (const { topicId } of changes.tombstones) {
      const topic = hosting.topicById(topicId)
      if (topic) parts.topicGone(topic)
    }
    for (const document of changes.topics) {
      const topic = hosting.show(document)
      void hosting.change(document).catch(() => {
        // Led no more: its next leader does it.
      })
      const known = Array.from({ length: document.partitions }, (_, at) => catalog.partition(topic.id, at))
      parts.took(
        known.flatMap((partition) => partition ?? []),
        request.from,
      )
    }
    parts.took(changes.partitions, request.from)
    for (const document of changes.newer) parts.report(document)
    await Promise.all(
      changes.tombstones.map(({ topicId, name }) =>
        parts.removeTopic(topicId, new PortalError('TOPIC_NOT_FOUND', `Topic ${name} was deleted.`)),
      ),
    )
    return { removed: changes.tombstones.map(({ topicId }) => topicId) }
  }

  return {
    fetch: async (request, call) => {
      check(request)
      return replicas().server.fetch(request, call)
    },
    readSnapshot: async (request) => {
      check(request)
      return replicas().server.readSnapshot(request)
    },
    readBatches: async (request) => {
      check(request)
      return replicas().server.readBatches(request)
    },
    update: async (request) => {
      check(request)
      return update(request)
    },
    report: async (request) => {
      check(request)
      for (const document of partitionsOf(request.documents)) parts.learn(document)
      inOffice(parts.controller()).report(request.documents)
    },
    command: async (request) => {
      check(request)
      return inOffice(parts.controller()).command(request.command)
    },
    handOver: async (request) => {
      check(request)
      const { topicId, partition, epoch, to } = request
      await parts.handOver(topicId, partition, epoch, to)
    },
    append: async (request) => {
      check(request)
      const partition = hosting.partition(request.topicId, request.partition)
      const limits = { maxMessageBytes: Number.MAX_SAFE_INTEGER }
      const header = verifyBatch(request.records, parts.crc32, limits)
      if (!header.producerId.startsWith(INTERNAL_PRODUCER_PREFIX))
        throw new PortalError('INVALID_ARGUMENT', 'Only internal producers append here.')
      await appendInternal(partition, request.records)
    },
  }
}

function inOffice(controller: Controller | undefined): Controller {
  if (controller?.term !== undefined) return controller
  throw new PortalError('NOT_LEADER', 'This broker is not the controller.')
}

function partitionsOf(documents: readonly PushedDocument[]): VersionedPartition[] {
  return documents.flatMap(({ path, version, text }) => {
    if (text === undefined || !path.startsWith('/partitions/')) return []
    const { document } = decodeDocument(partitionKind, path, new TextEncoder().encode(text))
    if (path !== paths.partition(document.topicId, document.partition)) return []
    return [{ ...document, version }]
  })
}
