/**
 * How long one request sleeps at the server, in milliseconds: shorter than proxies cut what is silent, and so short that a connection which has died in
 * silence is noticed before the leases end that it may have brought. Who has waited so long in vain asks again in the same name.
 */
export const POLL = 15_000
