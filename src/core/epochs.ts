/**
 * Where logs part. A log's epochs are flat pairs (epoch, index of its first entry), rising; an epoch ends where the next begins, the last at
 * the log's end (`next`: the index that the next entry gets).
 */
export interface EpochEnd {
  /** -1: none. */
  readonly epoch: number
  /** The index after its last entry. */
  readonly end: number
}

/** The highest epoch of the log that is not above `epoch`, and where it ends. */
export function epochEnd(epochs: readonly number[], next: number, epoch: number): EpochEnd {
  for (let at = epochs.length - 2; at >= 0; at -= 2) {
    if (epochs[at]! > epoch) continue
    return { epoch: epochs[at]!, end: at + 2 < epochs.length ? epochs[at + 3]! : next }
  }
  return { epoch: -1, end: epochs.length > 0 ? epochs[1]! : next }
}

/** Whether the entry before `next` has `lastEpoch` in this log, and so all before it is the same in both (as each epoch has one writer). */
export function matches(
  epochs: readonly number[],
  end: number,
  position: { readonly next: number; readonly lastEpoch: number },
): boolean {
  if (position.next === 0) return true
  const found = epochEnd(epochs, end, position.lastEpoch)
  return (
    found.epoch === position.lastEpoch &&
    position.next <= found.end &&
    position.next > startOf(epochs, found.epoch)
  )
}

/** Where a follower whose log is `epochs` up to `next` truncates when a leader's entries of epochs ≤ `told.epoch` end below `told.end`. */
export function truncationPoint(epochs: readonly number[], next: number, told: EpochEnd): number {
  const own = epochEnd(epochs, next, told.epoch)
  return own.epoch === told.epoch ? Math.min(own.end, told.end) : own.epoch < 0 ? 0 : own.end
}

/** The epochs of the entries below `from`. */
export function truncateEpochs(epochs: number[], from: number): void {
  while (epochs.length > 0 && epochs[epochs.length - 1]! >= from) epochs.length -= 2
}

/** The epoch of the last entry; -1 of an empty log. */
export function lastEpoch(epochs: readonly number[]): number {
  return epochs[epochs.length - 2] ?? -1
}

function startOf(epochs: readonly number[], epoch: number): number {
  for (let at = 0; at < epochs.length; at += 2) if (epochs[at] === epoch) return epochs[at + 1]!
  return 0
}
