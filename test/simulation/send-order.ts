import { check } from './violation.js'

interface Sender {
  last: number
  readonly stored: Set<number>
}

/**
 * In which order the messages of each sender stand in one log: that of their first sends, whether or not these were answered (invariant 26). A
 * message says in its value who sent it, and as which.
 */
export class SendOrder {
  readonly #log: string
  readonly #senders = new Map<string, Sender>()

  constructor(log: string) {
    this.#log = log
  }

  stored(offset: number, value: string): void {
    const [, name, number] = /^([^#]+)#(\d+)/.exec(value) ?? []
    if (name === undefined) return
    const serial = Number(number)
    const sender = this.#senders.get(name) ?? { last: -1, stored: new Set() }
    this.#senders.set(name, sender)
    // That it is there twice is another matter (invariant 14).
    if (sender.stored.has(serial)) return
    check(
      serial > sender.last,
      () => `[26] ${this.#log}: ${name}#${serial} is stored at ${offset}, after ${name}#${sender.last}`,
    )
    sender.last = serial
    sender.stored.add(serial)
  }
}
