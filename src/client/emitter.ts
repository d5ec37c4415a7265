/**
 * Typed events, for what browsers load too: eventemitter3, which brokers have, with its CommonJS wrapping would be a twenty-fifth of that.
 */
export class Emitter<Payloads extends object> {
  /** For each event its listeners, and whether they wait for the first only. */
  readonly #listeners: { [E in keyof Payloads]?: Map<(payload: Payloads[E]) => void, boolean> } = {}

  /** Calls `listener` whenever the event happens. Adding it twice changes nothing. */
  on<E extends keyof Payloads>(event: E, listener: (payload: Payloads[E]) => void): this {
    return this.#add(event, listener, false)
  }

  /** Calls `listener` the next time that the event happens. */
  once<E extends keyof Payloads>(event: E, listener: (payload: Payloads[E]) => void): this {
    return this.#add(event, listener, true)
  }

  off<E extends keyof Payloads>(event: E, listener: (payload: Payloads[E]) => void): this {
    this.#listeners[event]?.delete(listener)
    return this
  }

  /** Calls the event's listeners in the order of their coming. Returns whether there were any. */
  emit<E extends keyof Payloads>(event: E, payload: Payloads[E]): boolean {
    const listeners = [...(this.#listeners[event] ?? [])]
    for (const [listener, once] of listeners) {
      if (once) this.off(event, listener)
      listener(payload)
    }
    return listeners.length > 0
  }

  #add<E extends keyof Payloads>(event: E, listener: (payload: Payloads[E]) => void, once: boolean): this {
    this.#listeners[event] ??= new Map()
    this.#listeners[event].set(listener, once)
    return this
  }
}
