import { StreamFeed } from './client/consumer/stream-feed.js'
import { streamOver } from './client/failover-stream.js'
import type { Streams } from './connect.js'
import { openStreams } from './transport/http/client/receive-stream.js'

/** For connections whose carrier hands over pieces as they come. */
export const streams: Streams = {
  calls: openStreams,
  over: streamOver,
  feed: (fed) => new StreamFeed(fed),
}
