/** A replica is named by both: a broker that came back with another database is not the replica it was. */
export interface Replica {
  readonly broker: string
  readonly storage: string
}

/** What decides about a partition: the part of its document that placement reads and writes. */
export interface PlacedPartition {
  readonly topicId: string
  readonly partition: number
  readonly epoch: number
  readonly leader: Replica | null
  /** The life of the leader that this epoch was given to. */
  readonly incarnation?: number | undefined
  /** In the order of preference. */
  readonly replicas: readonly Replica[]
  readonly inSync: readonly Replica[]
  /** While a move is under way: what `replicas` shall be. */
  readonly target?: readonly Replica[] | undefined
}

export function isSameReplica(a: Replica | null, b: Replica | null): boolean {
  return a?.broker === b?.broker && a?.storage === b?.storage
}

export function includesReplica(list: readonly Replica[], replica: Replica): boolean {
  return list.some((each) => isSameReplica(each, replica))
}

export function nameOf({ broker, storage }: Replica): Replica {
  return { broker, storage }
}
