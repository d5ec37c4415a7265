import type { DocumentStore } from '../../coordination/document-store.js'
import { brokerKind, type PartitionDocument, paths } from '../../coordination/documents.js'
import type { Office } from '../../coordination/election.js'
import { PortalError } from '../../core/errors.js'
import { electLeader, electUncleanLeader } from '../../core/placement/elect-leader.js'
import { isLed } from '../../core/placement/members-view.js'
import type { ClusterCommand, CommandResponse } from '../../protocol/peer-service.js'
import type { ClusterState } from './cluster-state.js'
import type { Mover } from './mover.js'
import type { PartitionWriter } from './partition-writer.js'

export interface CommandParts {
  readonly documents: DocumentStore
  readonly state: ClusterState
  readonly writer: PartitionWriter
  readonly mover: Mover
  readonly office: Office
}

/** Carries out what an administrator asks of the cluster: what is to go on is in a document before it is answered. */
export async function carryOut(command: ClusterCommand, parts: CommandParts): Promise<CommandResponse> {
  switch (command.type) {
    case 'rebalance':
      await parts.office.setRebalancing(true)
      return planned(parts)
    case 'drain':
      await setDrained(parts, command.broker, true)
      return planned(parts)
    case 'undrain':
      await setDrained(parts, command.broker, undefined)
      return planned(parts)
    case 'forget':
      return forget(parts, command.broker)
    case 'electUnclean':
      return electUnclean(parts, command)
  }
}

function planned({ mover }: CommandParts): CommandResponse {
  mover.replan()
  return { type: 'planned', moves: mover.remaining() }
}

async function setDrained(
  { documents, state }: CommandParts,
  broker: string,
  drained: true | undefined,
): Promise<void> {
  const change = await documents.change(brokerKind, paths.broker(broker), (current) => {
    return current.drained === drained ? undefined : { ...current, drained }
  })
  if (change) return state.brokers.adopt(broker, change)
  throw noSuchBroker(state, broker)
}

/** Its node goes as it was looked at: a broker that comes back at the same moment makes it anew, or stays. */
async function forget({ documents, state }: CommandParts, broker: string): Promise<CommandResponse> {
  const known = await documents.read(brokerKind, paths.broker(broker))
  if (!known) throw noSuchBroker(state, broker)
  const lives = state.view.has(broker) || state.members.known.has(broker)
  if (lives) throw refused(`The broker ${broker} lives: stop it first, if it is to go for good.`)
  const held = [...state.partitions.values()].filter(({ document }) => names(document, broker)).length
  if (held > 0)
    throw refused(`${held} partitions are still on the broker ${broker}: drain it, and wait for that.`)
  if (await documents.remove(paths.broker(broker), known.version)) return { type: 'forgotten' }
  throw refused(`The broker ${broker} has just come back: stop it first, if it is to go for good.`)
}

function names({ replicas, target = [], inSync }: PartitionDocument, broker: string): boolean {
  return [...replicas, ...target, ...inSync].some((replica) => replica.broker === broker)
}

function noSuchBroker(state: ClusterState, broker: string): PortalError {
  const known = [...state.brokers.known.keys()].join(', ')
  return refused(`There is no broker ${broker} in this cluster: there are ${known}.`)
}

function refused(message: string): PortalError {
  return new PortalError('INVALID_ARGUMENT', message)
}

/** A clean election is made if there can be one, and a leader that is well is left alone. */
async function electUnclean(
  { state, writer }: CommandParts,
  { topicId, partition, broker }: Extract<ClusterCommand, { type: 'electUnclean' }>,
): Promise<CommandResponse> {
  const minInSync = state.topicOf(topicId)?.config.minInSync ?? 1
  let lost: string[] = []
  const result = await writer.write(paths.partition(topicId, partition), (document) => {
    const { view } = state
    lost = []
    const clean = electLeader(document, view, minInSync)
    if (clean) return clean
    const unclean = isLed(document, view) ? undefined : electUncleanLeader(document, view, broker)
    if (!unclean) throw cannotElect(topicId, partition, broker)
    lost = document.inSync.map((replica) => replica.broker)
    return unclean
  })
  const leader = result?.document.leader
  if (result && leader) return { type: 'elected', leader: leader.broker, epoch: result.document.epoch, lost }
  throw new PortalError(
    'TOPIC_NOT_FOUND',
    `There is no partition ${partition} of the topic with the id ${topicId}.`,
  )
}

function cannotElect(topicId: string, partition: number, broker: string | undefined): PortalError {
  return new PortalError(
    'NOT_ENOUGH_REPLICAS',
    `No other replica of partition ${partition} of the topic with the id ${topicId} can be made its leader${broker ? ` on ${broker}` : ''}: none lives, or the leader is well. Start a broker that has one.`,
  )
}
