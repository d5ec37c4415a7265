import type { RecordBatchView } from '../../core/record-batch-view.js'
import { decodeValue } from '../../core/value-codec.js'

/** A message that is only read; its fields are decoded when they are asked for. */
export class ReadMessage<T = unknown> {
  readonly topic: string
  readonly partition: number
  /** Its dense position among the messages of its partition. */
  readonly offset: number
  readonly #view: RecordBatchView
  readonly #at: number

  /** @internal */
  constructor(topic: string, partition: number, offset: number, view: RecordBatchView, at: number) {
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.#view = view
    this.#at = at
  }

  /** As it was sent: what JSON carries, a string, or bytes. */
  get value(): T {
    return decodeValue(this.#view, this.#at) as T
  }

  get key(): string | Uint8Array | undefined {
    const key = this.#view.key(this.#at)
    // The batch is shared with the broker: whoever gets bytes may change them.
    return typeof key === 'object' ? new Uint8Array(key) : key
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#view.headers(this.#at)
  }

  /** Milliseconds since the Unix epoch, as the sender said. */
  get timestamp(): number {
    return this.#view.timestamp(this.#at)
  }
}
