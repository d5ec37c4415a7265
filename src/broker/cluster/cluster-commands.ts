import type { DocumentStore } from '../../coordination/document-store.js'
import { brokerKind, paths } from '../../coordination/documents.js'
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
  const known = [...state.brokers.known.keys()].join(', ')
  throw new PortalError(
    'INVALID_ARGUMENT',
    `There is no broker ${broker} in this cluster: there are ${known}.`,
  )
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
