/** Says that a client asks the leader of what it names: a broker that is not says so, and passes nothing on. */
export const DIRECT_HEADER = 'x-portal-mq-direct'
