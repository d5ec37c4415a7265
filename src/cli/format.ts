export interface PrintableMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | Uint8Array | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly value: unknown
}

/** One line for a message: its value as text, or all of it as a JSON object (bytes in base64). */
export function formatMessage(message: PrintableMessage, json: boolean): string {
  if (!json) return plain(message.value)
  const { topic, partition, offset, timestamp, headers } = message
  return JSON.stringify({
    topic,
    partition,
    offset,
    timestamp: new Date(timestamp).toISOString(),
    key: printable(message.key),
    headers,
    value: printable(message.value),
  })
}

function plain(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  return JSON.stringify(value)
}

function printable(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}
