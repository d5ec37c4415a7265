interface Reading<T> {
  running: Promise<T>
  /** Begins when the running one has ended. */
  next: Promise<T> | undefined
}

/**
 * Answers all who ask for the same thing while one read is under way by one other, which begins after it: what was read before somebody asked does not answer
 * him, as it may have been made in between. Nothing is remembered.
 */
export function sharedReads<T>(read: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const readings = new Map<string, Reading<T>>()

  function begin(key: string): Promise<T> {
    const running = read(key)
    const reading: Reading<T> = { running, next: undefined }
    readings.set(key, reading)
    const ended = () => {
      if (reading.next === undefined) readings.delete(key)
    }
    running.then(ended, ended)
    return running
  }

  return (key) => {
    const reading = readings.get(key)
    if (reading === undefined) return begin(key)
    const again = () => begin(key)
    reading.next ??= reading.running.then(again, again)
    return reading.next
  }
}
