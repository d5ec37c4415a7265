/** How a controller paces itself. Times in milliseconds. */
export interface ControllerSettings {
  /** Writes to the coordination store under way at once. @default 200 */
  readonly writesInFlight: number
  /** How long members must not have changed before leaders move back to the preferred replicas. @default 5,000 */
  readonly stableFor: number
  /** Leaders that are handing over at once. @default 10 */
  readonly handOversInFlight: number
  /** How long a partition is left alone after its leader could not hand over. @default 30,000 */
  readonly handOverPause: number
  /** Partitions of the whole cluster that are moving at once. @default 10 */
  readonly movesInFlight: number
  /** How long a move waits for a broker that is away. @default 60,000 */
  readonly moveGrace: number
  /** How long a topic may take to be made before its maker counts as dead. @default 60,000 */
  readonly creationGrace: number
  /** How long a broker may take to answer a push before it is sent again. @default 10,000 */
  readonly pushTimeout: number
}

export const DEFAULT_CONTROLLER_SETTINGS: ControllerSettings = {
  writesInFlight: 200,
  stableFor: 5_000,
  handOversInFlight: 10,
  handOverPause: 30_000,
  movesInFlight: 10,
  moveGrace: 60_000,
  creationGrace: 60_000,
  pushTimeout: 10_000,
}
