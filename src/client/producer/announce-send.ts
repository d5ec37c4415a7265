import { type ClientSendOutcome, clientDiagnostics } from '../../runtime/diagnostics.js'
import type { MessageOptions } from './send-options.js'
import type { Sent } from './sent.js'

interface Announcement {
  readonly topic: string
  readonly messages: number
  readonly partition?: number | undefined
  readonly id?: string | undefined
}

/** Tells of a send before it begins, and of its end. `send` is given the headers that subscribers want to have sent along. */
export function announceSend<R extends Sent | Sent[]>(
  { topic, messages, partition, id }: Announcement,
  send: (headers: Readonly<Record<string, string>>) => Promise<R>,
): Promise<R> {
  const callbacks: ((outcome: ClientSendOutcome) => void)[] = []
  const headers: Record<string, string> = {}
  const onEnd = (callback: (outcome: ClientSendOutcome) => void) => void callbacks.push(callback)
  clientDiagnostics.send.publish({ topic, messages, partition, id, headers, onEnd })
  const sending = send(headers)
  if (callbacks.length > 0) {
    const end = (outcome: ClientSendOutcome) => {
      for (const callback of callbacks) callback(outcome)
    }
    sending.then(
      (sent) => end({ sent: Array.isArray(sent) ? sent : [sent as Sent] }),
      (error: Error) => end({ error }),
    )
  }
  return sending
}

/** The options with more headers; their own go first. What is no such thing stays as it is, to be refused. */
export function withHeaders<O extends MessageOptions>(
  options: O | undefined,
  headers: Readonly<Record<string, string>>,
): O | undefined {
  if (Object.keys(headers).length === 0) return options
  if (options !== undefined && (typeof options !== 'object' || options === null)) return options
  const own = options?.headers
  if (own !== undefined && (typeof own !== 'object' || own === null)) return options
  return { ...(options as O), headers: { ...headers, ...own } }
}
