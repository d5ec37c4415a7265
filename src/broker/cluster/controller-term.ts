import type { CoordinationStore } from '../../coordination/coordination.js'
import { decodeDocument } from '../../coordination/document-codec.js'
import { DocumentStore } from '../../coordination/document-store.js'
import { partitionKind, paths } from '../../coordination/documents.js'
import type { Office } from '../../coordination/election.js'
import { Metadata } from '../../coordination/metadata.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import type {
  ClusterCommand,
  CommandResponse,
  Incarnation,
  PeerService,
  PushedDocument,
} from '../../protocol/peer-service.js'
import { onAbort } from '../../runtime/on-abort.js'
import { pause } from '../../runtime/pause.js'
import type { Runtime } from '../../runtime/runtime.js'
import { endAbandonedCreations } from './abandoned-creations.js'
import { Broadcaster } from './broadcaster.js'
import { Burial } from './burial.js'
import { carryOut } from './cluster-commands.js'
import { ClusterState } from './cluster-state.js'
import type { ControllerSettings } from './controller-settings.js'
import { Ending } from './ending.js'
import { LeaderMover } from './leader-mover.js'
import { Mover } from './mover.js'
import { PartitionWriter } from './partition-writer.js'
import { every, nextTry } from './timing.js'

export interface ControllerTermParts {
  readonly store: CoordinationStore
  readonly runtime: Pick<Runtime, 'clock' | 'timers' | 'random'>
  readonly cluster: string
  readonly self: Incarnation
  readonly settings: ControllerSettings
  connectPeer(url: string): PeerService
  readonly onError: (error: unknown) => void
}

/** How often moves are looked at that may wait for a broker which does not come back, in milliseconds. */
const MOVES_INTERVAL = 5_000

/**
 * One term of a controller: reads all documents, decides what is to be as brokers come and go, writes it by compare-and-set, and tells
 * every living broker. Nothing that it knows is needed by the next one: that begins with the documents again.
 */
export class ControllerTerm {
  readonly #parts: ControllerTermParts
  readonly #office: Office
  readonly #documents: DocumentStore
  readonly #state: ClusterState
  readonly #broadcaster: Broadcaster
  readonly #writer: PartitionWriter
  readonly #mover: Mover
  readonly #leaderMover: LeaderMover
  readonly #burial: Burial
  /** By broker: since when it is away, by the monotonic clock. */
  readonly #awaySince = new Map<string, number>()
  readonly #over = new Ending()
  readonly #begunAt: number
  #loaded = false

  constructor(parts: ControllerTermParts, office: Office) {
    const { store, runtime, cluster, self, settings } = parts
    const { timers, random, clock } = runtime
    const over = this.#over
    // What fails because the office is over is no news.
    const onError = (error: unknown) => void (over.isOver || isUnreachable(error) || parts.onError(error))
    this.#parts = { ...parts, onError }
    this.#office = office
    this.#begunAt = clock.monotonic()
    this.#documents = new DocumentStore(store, { writer: self.broker, random })
    const shared = {
      store,
      documents: this.#documents,
      timers,
      random,
      clock,
      cluster,
      from: self,
      over,
      onError,
    }
    this.#state = new ClusterState({
      ...shared,
      onMembers: (brokers) => this.#changeMembers(brokers),
      onBrokers: (brokers) => this.#changeBrokers(brokers),
      onTopic: (topic) => {
        const { id, name, partitions } = topic.document
        this.#broadcaster.push(paths.topic(name), topic)
        // What they need may have changed with it.
        for (let at = 0; at < partitions; at++) this.#writer.examine(paths.partition(id, at))
      },
      onTopicGone: ({ document, version }) => {
        this.#broadcaster.pushRemoval(paths.topic(document.name), version)
        this.#replan()
      },
      onPartition: (path, partition) => {
        this.#broadcaster.push(path, partition)
        this.#writer.examine(path)
      },
      onLoaded: () => this.#replan(),
      onMove: () => this.#loaded && this.#mover.goOn(),
      onTombstones: (topicIds) => this.#burial.change(topicIds),
    })
    this.#broadcaster = new Broadcaster(
      {
        ...shared,
        term: office.term,
        timeout: settings.pushTimeout,
        connectPeer: (url) => parts.connectPeer(url),
        onRefused: () => void office.confirm().catch(() => {}),
        onAnswer: (to, { removed }) => this.#burial.noteClear(to, removed),
      },
      this.#state,
    )
    const state = this.#state
    const broadcaster = this.#broadcaster
    const { writesInFlight, movesInFlight } = settings
    const isGone = (broker: string) => this.#isGone(broker)
    this.#writer = new PartitionWriter({ ...shared, state, office, writesInFlight, isGone })
    this.#mover = new Mover({ ...shared, state, writer: this.#writer, office, movesInFlight })
    this.#leaderMover = new LeaderMover({ ...shared, state, broadcaster, settings })
    this.#burial = new Burial({ ...shared, state, broadcaster })
  }

  get term(): number {
    return this.#office.term
  }

  /** Resolves when the office is over. */
  async run(): Promise<void> {
    const over = this.#over
    over.onEnd(() => this.#stop())
    const { lost } = this.#office
    onAbort(lost, () => over.end())
    await this.#persist(() => this.#state.openBrokers())
    if (!over.isOver) this.#begin()
    await this.#persist(() => this.#state.openTopics())
    if (over.isOver) return
    this.#loaded = true
    this.#replan()
    this.#leaderMover.start()
    await new Promise<void>((resolve) => over.onEnd(resolve))
  }

  /** Takes in what a leader wrote. */
  report(documents: readonly PushedDocument[]): void {
    for (const { path, version, text } of documents) {
      if (text === undefined) continue
      const { document } = decodeDocument(partitionKind, path, new TextEncoder().encode(text))
      if (path !== paths.partition(document.topicId, document.partition)) {
        throw new PortalError('INVALID_ARGUMENT', `The document ${path} is not that of its partition.`)
      }
      this.#state.adopt(path, { document, version })
    }
  }

  async command(command: ClusterCommand): Promise<CommandResponse> {
    if (!this.#loaded) {
      throw new PortalError(
        'DISCONNECTED',
        `The controller ${this.#parts.self.broker} has just been elected and still reads the cluster's documents: try again.`,
      )
    }
    return carryOut(command, {
      documents: this.#documents,
      state: this.#state,
      writer: this.#writer,
      mover: this.#mover,
      office: this.#office,
    })
  }

  /** Everything that needs to know only who there is: leaders are elected while the rest is still being read. */
  #begin(): void {
    const { store, runtime, self, settings, onError } = this.#parts
    const { timers, random, clock } = runtime
    const over = this.#over
    this.#broadcaster.changeMembers([...this.#state.members.known.keys()])
    this.#burial.start()
    const metadata = new Metadata(store, { writer: self.broker, random })
    endAbandonedCreations({
      store,
      metadata,
      clock,
      timers,
      random,
      grace: settings.creationGrace,
      over,
      onError,
    })
    every(timers, MOVES_INTERVAL, over, () => {
      for (const path of this.#state.moving) this.#writer.examine(path)
    })
  }

  #stop(): void {
    this.#state.close()
    this.#broadcaster.close()
    this.#mover.stop()
  }

  #changeMembers(brokers: readonly string[]): void {
    for (const broker of brokers) {
      if (this.#state.view.has(broker)) this.#awaySince.delete(broker)
      else this.#awaySince.set(broker, this.#parts.runtime.clock.monotonic())
    }
    // Before anything is told to anyone: whoever comes anew gets all that is known, and decisions follow.
    this.#broadcaster.changeMembers(brokers)
    this.#leaderMover.noteChange()
    this.#writer.examineAll(brokers)
    this.#replan()
  }

  #changeBrokers(brokers: readonly string[]): void {
    for (const broker of brokers) {
      const document = this.#state.brokers.known.get(broker)
      if (document) this.#broadcaster.push(paths.broker(broker), document)
      else this.#broadcaster.pushRemoval(paths.broker(broker), 0)
    }
    this.#burial.brokersChanged()
    this.#replan()
  }

  #replan(): void {
    if (this.#loaded) this.#mover.replan()
  }

  #isGone(broker: string): boolean {
    if (this.#state.view.has(broker)) return false
    const since = this.#awaySince.get(broker) ?? this.#begunAt
    return this.#parts.runtime.clock.monotonic() - since >= this.#parts.settings.moveGrace
  }

  /** Does it until it succeeds, or the office is over. */
  async #persist(work: () => Promise<void>): Promise<void> {
    const { timers, random } = this.#parts.runtime
    const over = this.#over
    for (let failures = 1; !over.isOver; failures++) {
      try {
        return await work()
      } catch (error) {
        this.#parts.onError(error)
      }
      await pause(timers, nextTry(failures, random), over.signal)
    }
  }
}

/** The coordination store is away for now: everything is tried again, and who cannot reach it for long loses the session, which says so. */
function isUnreachable(error: unknown): boolean {
  return isPortalError(error, 'DISCONNECTED', 'CLOSED')
}
