import { encodeDocument } from '../../coordination/document-codec.js'
import { paths } from '../../coordination/documents.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import { splitVersion } from '../../coordination/partition-version.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import type { Incarnation, PeerService, PushedDocument } from '../../protocol/peer-service.js'
import { pause } from '../../runtime/pause.js'
import type { Runtime } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Controller } from './controller.js'

/** How long to wait before trying again (ms). */
const RETRY = 100

export interface ReportsParts {
  readonly runtime: Runtime
  cluster(): string
  self(): Incarnation
  /** The way to the controller, as far as it is known. */
  controller(): PeerService | undefined
  ownController(): Controller | undefined
  readonly ending: AbortSignal
}

/** Tells the controller what this broker wrote into documents itself, until whoever is the controller has heard it. */
export class Reports {
  readonly #parts: ReportsParts
  readonly #waiting = new Map<string, VersionedPartition>()
  #running: Promise<void> | undefined
  #controller: Incarnation | undefined

  constructor(parts: ReportsParts) {
    this.#parts = parts
  }

  /** Who spoke as the controller last. */
  get controller(): Incarnation | undefined {
    return this.#controller
  }

  controllerIs(controller: Incarnation): void {
    this.#controller = controller
  }

  add(document: VersionedPartition): void {
    this.#waiting.set(paths.partition(document.topicId, document.partition), document)
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Tells one broker, once: it will hear it from the controller, too. */
  tell(peer: PeerService, document: VersionedPartition): void {
    const { cluster, self } = this.#parts
    peer.report({ cluster: cluster(), from: self(), documents: [toPushed(document)] }).catch(() => {})
  }

  /** Resolves when everything was heard, or after so many milliseconds. */
  async flushed(timeout: number): Promise<void> {
    const { timers } = this.#parts.runtime
    const running = this.#running
    if (!running) return
    await sleepUntil<true>(timers, 'reports', { timeout }, (resolve) => {
      void running.then(() => resolve(true))
      return () => {}
    })
  }

  async #run(): Promise<void> {
    const { runtime, ending } = this.#parts
    while (this.#waiting.size > 0 && !ending.aborted) {
      const sent = [...this.#waiting]
      try {
        await this.#send(sent.map(([, document]) => toPushed(document)))
        for (const [path, document] of sent)
          if (this.#waiting.get(path) === document) this.#waiting.delete(path)
      } catch (error) {
        if (!isPortalError(error)) throw error
        await pause(runtime.timers, RETRY)
      }
    }
  }

  async #send(documents: readonly PushedDocument[]): Promise<void> {
    const { cluster, self, controller, ownController } = this.#parts
    const own = ownController()
    if (own?.term !== undefined) return own.report(documents)
    const peer = controller()
    if (peer) return peer.report({ cluster: cluster(), from: self(), documents })
    throw new PortalError('NOT_LEADER', 'There is no controller now.')
  }
}

function toPushed(partition: VersionedPartition): PushedDocument {
  const { document, version } = splitVersion(partition)
  const stamp = { writer: '', nonce: '' }
  const text = new TextDecoder().decode(encodeDocument(document, stamp))
  return { path: paths.partition(document.topicId, document.partition), version, text }
}
