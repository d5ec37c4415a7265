import type { ClusterChange, ClusterChanged } from '../protocol/cluster.js'
import type { ClusterCommand, CommandResponse } from '../protocol/peer-service.js'
import type { BrokerService } from '../protocol/service.js'
import type { Standing } from './standing.js'
import type { TopicAdmin } from './topic-admin.js'

/** What administrators ask of the cluster. */
export type ClusterCalls = Pick<BrokerService, 'describePlacement' | 'changeCluster'>

export interface ClusterCallsHost {
  readonly standing: () => Pick<Standing, 'describePlacement' | 'command'>
  readonly topics: TopicAdmin
}

/** A broker's own answers: of placement what it knows, and what changes the cluster is the controller's to do. */
export function clusterCalls({ standing, topics }: ClusterCallsHost): ClusterCalls {
  return {
    describePlacement: async ({ topic }, call) => {
      // Refuses a topic that is not there.
      if (topic !== undefined) topics.get(topic)
      return standing().describePlacement(topic, call?.forwarded ?? false)
    },
    changeCluster: async (change, call) =>
      toChanged(await standing().command(toCommand(change, topics), call?.signal)),
  }
}

/** Between brokers a topic is its id: one made again under the name is not meant. */
function toCommand(change: ClusterChange, topics: TopicAdmin): ClusterCommand {
  if (change.type !== 'elect-unclean') return change
  const { topic, partition, broker } = change
  return { type: 'electUnclean', topicId: topics.get(topic).id, partition, broker }
}

function toChanged({ type: _, ...answer }: CommandResponse): ClusterChanged {
  return answer
}
