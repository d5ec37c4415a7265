/** What is sent and handled here. */
export interface Order {
  readonly number: number
}

export const TOPIC = 'orders'
