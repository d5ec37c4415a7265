import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { Database } from './binding.js'
import {
  type MakeRoom,
  type PackedError,
  packError,
  type WriterReply,
  type WriterRequest,
} from './protocol.js'
import type { Outcome, Writer } from './writer.js'

/** What joins one transaction: more would make those at its beginning wait for those at its end. */
const GROUP_BYTES = 1024 * 1024

/** However busy commits keep the thread, maintenance gets a slice this often, in milliseconds. */
const MAINTENANCE_EVERY = 50

/** Takes commits from `port`: all that wait go into one transaction. */
export function serveWriter(port: MessagePort, writer: Writer, keeper: Database, release: () => void): void {
  let failed: PackedError | undefined
  let maintenanceQueued = false
  let lastMaintenance = 0
  let toldReusable = 0

  port.on('message', (first: WriterRequest) => {
    const group: ArrayBuffer[] = []
    let bytes = 0
    for (let message: WriterRequest | undefined = first; message !== undefined; ) {
      if (!(message instanceof ArrayBuffer)) {
        if (group.length > 0) writeGroup(group)
        return typeof message === 'string' ? close(message) : makeRoom(message)
      }
      group.push(message)
      bytes += message.byteLength
      message = bytes < GROUP_BYTES ? receiveMessageOnPort(port)?.message : undefined
    }
    writeGroup(group)
  })
  attempt(tellReusable)
  scheduleMaintenance()

  function writeGroup(group: readonly ArrayBuffer[]): void {
    if (failed === undefined) {
      attempt(() => {
        const outcomes = writer.write(group)
        for (const reply of summarize(outcomes)) post(reply)
        if (writer.checkpoint()) tellReusable()
        if (performance.now() - lastMaintenance > MAINTENANCE_EVERY) maintain()
      })
    }
    scheduleMaintenance()
  }

  function scheduleMaintenance(): void {
    if (failed !== undefined || maintenanceQueued || !writer.hasMaintenance) return
    maintenanceQueued = true
    setImmediate(() => {
      maintenanceQueued = false
      attempt(maintain)
      scheduleMaintenance()
    })
  }

  function maintain(): void {
    if (!writer.hasMaintenance) return
    writer.maintain()
    tellReusable()
    lastMaintenance = performance.now()
  }

  function makeRoom({ bytes }: MakeRoom): void {
    attempt(() => writer.makeRoom(bytes))
    scheduleMaintenance()
  }

  function tellReusable(): void {
    const bytes = writer.reusableBytes
    if (bytes !== toldReusable) post({ type: 'reusable', bytes })
    toldReusable = bytes
  }

  /** The first error is the last thing that is tried: what the disk then holds is for the next start to find out. */
  function attempt(work: () => void): void {
    if (failed !== undefined) return
    try {
      work()
    } catch (error) {
      failed = packError(error, 'STORAGE_FAILED', 'The storage has failed and takes nothing more')
      post({ type: 'failed', error: failed })
    }
  }

  /**
   * The last connection that closes writes a checkpoint. After a failure that must not be: the keeper, which cannot
   * write, closes last, and nothing touches the disk again.
   */
  function close(how: 'close' | 'abandon'): void {
    if (how === 'close') attempt(() => writer.finish())
    const inOrder = [() => keeper.close(), () => writer.close()]
    const intact = how === 'close' && failed === undefined
    for (const closeOne of intact ? inOrder : inOrder.reverse()) closeOne()
    release()
    post('closed')
    port.close()
  }

  function post(reply: WriterReply): void {
    port.postMessage(reply)
  }
}

/** Runs of applied commits as their number, and the refused between them. */
function* summarize(outcomes: readonly Outcome[]): Generator<WriterReply> {
  let applied = 0
  for (const outcome of outcomes) {
    if (outcome === undefined) applied++
    else {
      if (applied > 0) yield applied
      applied = 0
      yield { type: 'refused', error: packError(outcome, 'INVALID_ARGUMENT', 'A commit was refused') }
    }
  }
  if (applied > 0) yield applied
}
