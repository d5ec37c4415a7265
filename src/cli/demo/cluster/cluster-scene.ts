import type { Controller } from '../controller.js'
import type { Ledger } from '../ledger.js'
import type { Sensor } from '../sensor.js'
import type { Board } from './board.js'
import type { BrokerProcess } from './broker-process.js'
import type { Story } from './story.js'

/** All that there is to see. */
export interface ClusterScene {
  readonly brokers: readonly BrokerProcess[]
  readonly board: Board
  readonly story: Story
  readonly ledger: Ledger
  readonly sensors: readonly Sensor[]
  readonly controllers: readonly Controller[]
  /** Seconds for which the sensors send. */
  readonly duration: number
}
