import type { ReceiveResponse, StreamCredit } from '../../protocol/service.js'

/** A consumer's stream: how much the broker was allowed to send on it, and how much has come. */
export class ConsumerStream {
  readonly id: string
  readonly controller = new AbortController()
  /** Its first answer has come: credit that is added finds it. */
  isOpen = false
  #messages = 0
  #bytes = 0
  #arrivedMessages = 0
  #arrivedBytes = 0
  /** What the broker was told last. */
  #told = 0

  constructor(id: string) {
    this.id = id
  }

  /** Messages that it may still bring. */
  get outstanding(): number {
    return this.#messages - this.#arrivedMessages
  }

  /** Allows so many messages more, and bytes up to `bytes` beyond what has come. */
  allow(messages: number, bytes: number): void {
    this.#messages += messages
    this.#bytes = Math.max(this.#bytes, this.#arrivedBytes + Math.floor(bytes))
  }

  arrived({ deliveries }: ReceiveResponse, messages: number): void {
    this.isOpen = true
    this.#arrivedMessages += messages
    for (const { batches } of deliveries)
      for (const { records } of batches) this.#arrivedBytes += records.length
  }

  /** What the broker has not been told yet; it counts as told from now on. */
  takeCredit(): StreamCredit | undefined {
    if (this.#told === this.#messages + this.#bytes) return undefined
    this.#told = this.#messages + this.#bytes
    return { stream: this.id, messages: this.#messages, bytes: this.#bytes }
  }
}
