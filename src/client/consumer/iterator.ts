import type { Engine } from './engine.js'
import type { Message } from './message.js'

/** A loop over messages. Leaving it cancels its wait and gives back what was not handed out. */
export class MessageIterator<T> implements AsyncIterableIterator<Message<T>> {
  readonly #engine: Engine
  #isOpen = false
  #isDone = false

  constructor(engine: Engine) {
    this.#engine = engine
  }

  next(): Promise<IteratorResult<Message<T>, undefined>> {
    if (this.#isDone) return Promise.resolve({ done: true, value: undefined })
    if (!this.#isOpen) {
      this.#isOpen = true
      this.#engine.openStream(1)
    }
    const message = this.#engine.dispenser.take()
    if (message !== undefined) return Promise.resolve(this.#result(message))
    return this.#engine.dispenser.next(this).then(this.#result, this.#failure)
  }

  return(): Promise<IteratorResult<Message<T>, undefined>> {
    this.#finish()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  readonly #result = (message: Message | undefined): IteratorResult<Message<T>, undefined> => {
    if (message !== undefined) return { done: false, value: message as Message<T> }
    this.#finish()
    return { done: true, value: undefined }
  }

  readonly #failure = (error: unknown): never => {
    this.#finish()
    throw error
  }

  #finish(): void {
    if (this.#isDone) return
    this.#isDone = true
    if (this.#isOpen) this.#engine.closeStream(this, 1)
  }
}
