import type { MessagePort } from 'node:worker_threads'
import { packError, type ReadReply, type ReadRequest } from './protocol.js'
import type { Reader } from './reader.js'

export interface OpenReader {
  readonly reader: Reader
  close(): void
}

/** Answers the requests that come from `port`, in order. The thread starts beside the writer; `open` waits for its database. */
export function serveReader(port: MessagePort, open: () => OpenReader): void {
  let opened: OpenReader | undefined

  port.on('message', (message: ReadRequest | 'close') => {
    if (message !== 'close') return answer(message)
    opened?.close()
    port.postMessage('closed')
    port.close()
  })

  function answer(request: ReadRequest): void {
    try {
      opened ??= open()
      const value = opened.reader.answer(request)
      reply({ id: request.id, value })
    } catch (error) {
      const what = `Cannot read ${'log' in request ? `log ${request.log}` : request.type}`
      reply({ id: request.id, error: packError(error, 'STORAGE_FAILED', what) })
    }
  }

  function reply(message: ReadReply): void {
    port.postMessage(message, message.value instanceof ArrayBuffer ? [message.value] : [])
  }
}
