import type { Broker, Logger } from '../../index.js'

/** Logs what becomes of the cluster as this broker sees it: who comes and goes, and whether it can coordinate; the rest for debugging. */
export function logCluster(broker: Broker, logger: Logger): void {
  broker.on('member', ({ broker: member, url, alive }) => {
    if (alive) logger.info({ member, url }, `Broker ${member} at ${url} is there.`)
    else logger.warn({ member, url }, `Broker ${member} at ${url} is away: others lead what it led.`)
  })
  broker.on('coordination', ({ reachable }) => {
    if (reachable)
      logger.info({}, 'The coordination service is reachable again: this broker is one of the cluster.')
    else
      logger.warn(
        {},
        'The session with the coordination service is lost: messages flow as far as the others allow it, and nothing is elected, made, changed or locked here until it can be reached again. Look at its servers, and at the way to them.',
      )
  })
  broker.on('leader', ({ topic, partition, epoch }) => {
    logger.debug({ topic, partition, epoch }, `Leads ${topic} ${partition} in epoch ${epoch}.`)
  })
  broker.on('follower', ({ topic, partition, epoch, leader }) => {
    logger.debug(
      { topic, partition, epoch, leader },
      `Follows ${leader} in ${topic} ${partition}, epoch ${epoch}.`,
    )
  })
  broker.on('isr', ({ topic, partition, inSync }) => {
    logger.debug({ topic, partition, inSync }, `In sync in ${topic} ${partition}: ${inSync.join(', ')}.`)
  })
}
