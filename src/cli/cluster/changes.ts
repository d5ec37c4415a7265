import { setTimeout } from 'node:timers/promises'
import { Admin, type BrokerDescription, PortalError } from '../../index.js'
import { interruption, type Target, withBroker } from '../open.js'

interface Wait extends Target {
  readonly wait?: boolean
}

/** Between two questions how far it is (ms). */
const INTERVAL = 500

export async function rebalance({ wait = true, ...target }: Wait): Promise<void> {
  await withBroker(target, async (broker) => {
    const admin = new Admin(broker)
    const left = await moving(() => admin.rebalanceCluster(), wait)
    say(left === 0 ? 'Replicas and leaders are spread evenly.' : goesOn(left))
  })
}

export async function drain(name: string, { wait = true, ...target }: Wait): Promise<void> {
  await withBroker(target, async (broker) => {
    const admin = new Admin(broker)
    const { id } = await find(admin, name)
    const left = await moving(() => admin.drainBroker(id), wait)
    if (left > 0) return say(goesOn(left))
    const { replicas = 0 } = await find(admin, id)
    if (replicas === 0) return say(`Nothing is on ${id} any more: it can be stopped for good, and forgotten.`)
    throw new PortalError(
      'NOT_ENOUGH_REPLICAS',
      `${id} is drained, but ${replicas} partitions stay on it: no other broker that lives can take them. Start another broker, and they go there.`,
    )
  })
}

export async function undrain(name: string, target: Target): Promise<void> {
  await withBroker(target, async (broker) => {
    const admin = new Admin(broker)
    const { id } = await find(admin, name)
    await admin.undrainBroker(id)
    say(`Replicas may come to ${id} again: 'portal-mq cluster rebalance' gives it its share.`)
  })
}

export async function forget(name: string, target: Target): Promise<void> {
  await withBroker(target, async (broker) => {
    const admin = new Admin(broker)
    const { id } = await find(admin, name)
    await admin.forgetBroker(id)
    say(`${id} is forgotten.`)
  })
}

interface Elect extends Target {
  readonly unclean?: boolean
  readonly broker?: string
}

export async function elect(
  topic: string,
  partition: number,
  { unclean, broker: wanted, ...target }: Elect,
): Promise<void> {
  if (!unclean) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      'Clean elections are made without being asked for. One that may lose acknowledged messages needs --unclean: only when all brokers that had them are gone for good.',
    )
  }
  await withBroker(target, async (broker) => {
    const admin = new Admin(broker)
    const id = wanted === undefined ? undefined : (await find(admin, wanted)).id
    const { leader, epoch, lost } = await admin.electUnclean(topic, partition, { broker: id })
    const loss = lost.filter((other) => other !== leader)
    say(
      `${leader} leads partition ${partition} of ${topic} in epoch ${epoch}: ${
        loss.length === 0
          ? 'it had everything, nothing is lost.'
          : `what only ${loss.join(', ')} had is lost.`
      }`,
    )
  })
}

/** The one broker whose id begins so. Throws INVALID_ARGUMENT. */
async function find(admin: Admin, name: string): Promise<BrokerDescription> {
  const { brokers } = await admin.describeCluster()
  const found = brokers.filter(({ id }) => id.startsWith(name))
  const exact = found.find(({ id }) => id === name) ?? (found.length === 1 ? found[0] : undefined)
  if (exact) return exact
  const known = brokers.map(({ id, url }) => (url ? `${id} (${url})` : id)).join(', ')
  throw new PortalError(
    'INVALID_ARGUMENT',
    `${found.length === 0 ? 'No broker has an id' : 'Several brokers have ids'} that begins with '${name}': there are ${known}.`,
  )
}

/** Asks until nothing is left to move; resolves to what is left, more than 0 if nobody waits. */
async function moving(ask: () => Promise<{ readonly moves: number }>, wait: boolean): Promise<number> {
  const { signal, stop } = interruption()
  let most = 0
  try {
    for (;;) {
      const { moves } = await ask()
      most = Math.max(most, moves)
      if (moves === 0 || !wait || signal.aborted) return moves
      progress(`${most - moves} of ${most} partitions have moved`)
      await setTimeout(INTERVAL, undefined, { signal }).catch(() => {})
    }
  } finally {
    if (most > 0 && process.stderr.isTTY) process.stderr.write('\n')
    stop()
  }
}

function goesOn(left: number): string {
  return `${left} partitions are still to move. It goes on by itself: 'portal-mq cluster' shows how far it is.`
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${text}\x1b[K`)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
