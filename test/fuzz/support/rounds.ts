import fc from 'fast-check'

/** Seconds for all fuzz tests together: PORTAL_MQ_FUZZ_SECONDS, 30 unless said otherwise. */
const SECONDS = Number(process.env.PORTAL_MQ_FUZZ_SECONDS ?? 30)
/** PORTAL_MQ_FUZZ_SEED replays a run that failed; else every run is another. */
const SEED = process.env.PORTAL_MQ_FUZZ_SEED

/** Runs of one round: short enough for its seed to be replayed soon. */
const RUNS = 50

/**
 * Checks a property with one seed after the other until its share of the time is over; at least one round. The error of one that
 * fails begins with what replays it.
 */
export async function fuzz<T extends [unknown, ...unknown[]]>(
  share: number,
  property: fc.IRawProperty<T>,
  afterRound: () => Promise<void> | void = () => {},
): Promise<number> {
  const end = performance.now() + SECONDS * 1_000 * share
  let rounds = 0
  for (let seed = Number(SEED ?? Date.now() % 2 ** 31); ; seed = (seed + 1) % 2 ** 31) {
    try {
      await fc.assert(property, { seed, numRuns: RUNS, interruptAfterTimeLimit: 30_000 })
      await afterRound()
    } catch (error) {
      throw new Error(`Replay with PORTAL_MQ_FUZZ_SEED=${seed} npx vitest run --project fuzz`, {
        cause: error,
      })
    }
    rounds++
    if (SEED !== undefined || performance.now() > end) return rounds
  }
}

/** Bytes that something nearly understands: valid ones with a few changes. */
export function mutated(valid: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    kind: fc.constantFrom('set', 'insert', 'remove', 'cut', 'repeat'),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  })
  return fc
    .tuple(fc.constantFrom(...valid), fc.array(change, { maxLength: 4 }))
    .map(([bytes, changes]) => changes.reduce(applied, bytes))
}

interface Change {
  readonly kind: string
  readonly at: number
  readonly bytes: Uint8Array
}

function applied(before: Uint8Array, { kind, at, bytes }: Change): Uint8Array {
  const place = Math.floor(at * before.length)
  const head = before.subarray(0, place)
  switch (kind) {
    case 'set':
      return Uint8Array.from([...head, ...bytes, ...before.subarray(place + bytes.length)])
    case 'insert':
      return Uint8Array.from([...head, ...bytes, ...before.subarray(place)])
    case 'remove':
      return Uint8Array.from([...head, ...before.subarray(place + bytes.length)])
    case 'cut':
      return head
    default:
      return Uint8Array.from([...head, ...before.subarray(Math.max(0, place - 8))])
  }
}
