import { Consumer, type ConsumerType, type ProducerType } from './package.js'

type Connection = ConstructorParameters<typeof Consumer>[0]

/** What every row sends: 100 bytes of text. */
export const VALUE = 'portal-mq '.repeat(10)

/** Sends that one look at the clock of the sender covers, as raw appends do. */
const TOGETHER = 1_000
/** How many such groups may be unanswered. */
const OUTSTANDING = 20

/**
 * Sends `count` messages, one `send` each, as fast as they are acknowledged. Of each thousand the last is awaited: a partition
 * answers in order, and an await of each would measure awaits. Returns once all are acknowledged.
 */
export async function publish(
  producer: ProducerType,
  topic: string,
  count: number,
  stop: { stopped: boolean } = { stopped: false },
): Promise<void> {
  const unanswered: Promise<unknown>[] = []
  for (let sent = 0; sent < count && !stop.stopped; ) {
    let last: Promise<unknown> | undefined
    for (const end = Math.min(count, sent + TOGETHER); sent < end; sent++) last = producer.send(topic, VALUE)
    unanswered.push(last!)
    if (unanswered.length >= OUTSTANDING) await unanswered.shift()
  }
  await Promise.all(unanswered)
  await producer.flush()
}

/** Fills a topic, so that it can be consumed. */
export async function fill(producer: ProducerType, topic: string, count: number): Promise<void> {
  await publish(producer, topic, count)
}

/** Takes `count` messages and acks each without awaiting it; returns once the last ack is committed. */
export async function consume(consumer: ConsumerType, count: number): Promise<void> {
  let taken = 0
  let last: Promise<void> | undefined
  for await (const message of consumer) {
    last = message.ack()
    if (++taken === count) break
  }
  await last
}

/** The same, by `run`: the handler's end is the ack. */
export async function consumeByRun(
  consumer: ConsumerType,
  count: number,
  concurrency: number,
): Promise<void> {
  let taken = 0
  let done!: () => void
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  const running = consumer.run(
    () => {
      if (++taken === count) done()
    },
    { concurrency },
  )
  await Promise.race([all, running])
  await consumer.close()
  await running
}

/** A consumer of a group that nobody else is in, from the beginning of the topic. */
export function soleConsumer(
  broker: Connection,
  topic: string,
  group: string,
  prefetch?: number,
): ConsumerType {
  return new Consumer(broker, topic, { group, from: 'earliest', prefetch: prefetch ?? 'auto' })
}

/** Calls `tick` with how many things are due, `perSecond` in all, until `seconds` are over. */
export async function paced(perSecond: number, seconds: number, tick: (due: number) => void): Promise<void> {
  const began = performance.now()
  const total = perSecond * seconds
  for (let done = 0; done < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - began) / 1_000) * perSecond)) - done
    if (due > 0) tick(due)
    done += Math.max(due, 0)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
