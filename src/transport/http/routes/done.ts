import { noContent } from '../exchange.js'
import type { Context, Route } from '../route.js'

/** The handler of what has nothing to say but that it is done. */
export function done(act: (context: Context) => Promise<void>): Route['handle'] {
  return async (context) => {
    await act(context)
    return noContent()
  }
}
