import type { BrokerService, CallOptions } from './service.js'

/** A method of a service that promises its answer. Its arguments are a request, options or both. */
export type Call = (...args: unknown[]) => Promise<unknown>

/** What promises answers. A stream yields them: whoever wraps a service says apart what becomes of that. */
export type Calls<S> = Omit<S, 'receiveStream'>

/** A service's calls, each of which is what `wrap` makes of it. */
export function everyCall<S extends object>(
  service: S,
  wrap: (call: Call, name: keyof Calls<S>) => Call,
): Calls<S> {
  const calls: Record<string, unknown> = {}
  for (const [name, method] of Object.entries(service))
    if (name !== 'receiveStream') calls[name] = wrap(method as Call, name as keyof Calls<S>)
  // Each was wrapped under its own name, and takes and returns what it did.
  return calls as unknown as Calls<S>
}

/** The options among the arguments of a call: they come first where there is no request. */
export function optionsOf(name: keyof BrokerService, args: readonly unknown[]): CallOptions | undefined {
  return args[name in WITHOUT_REQUEST ? 0 : 1] as CallOptions | undefined
}

type WithoutRequest = {
  [M in keyof BrokerService]: Parameters<BrokerService[M]> extends [CallOptions?] ? M : never
}[keyof BrokerService]

const WITHOUT_REQUEST: Readonly<Record<WithoutRequest, true>> = {
  listTopics: true,
  describeCluster: true,
  metrics: true,
  checkReady: true,
}
