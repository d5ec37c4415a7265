/** What `send` resolves to: where the message is stored. */
export interface Sent {
  readonly topic: string
  readonly partition: number
  /** Its position in the partition: 0, 1, 2, … */
  readonly offset: number
  /** Milliseconds since the Unix epoch: the one given to `send`, or the time of sending. */
  readonly timestamp: number
  /** Whether a message with the same `id` was stored before; `offset` is then that one's. */
  readonly duplicate: boolean
}
