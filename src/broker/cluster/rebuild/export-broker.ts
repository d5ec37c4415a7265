import type { Crc32 } from '../../../core/crc32.js'
import { isPortalError, PortalError } from '../../../core/errors.js'
import type { Storage } from '../../../storage/storage.js'
import { readIdentity } from '../../identity.js'
import { recover } from '../../recovery.js'
import { distrustedLogs } from '../../replication/install.js'
import { readNotes } from '../notes.js'
import type { ExportedBroker, ExportedLog } from './exported.js'

/** Reads what a broker's storage knows of its cluster, and changes nothing. INVALID_ARGUMENT if it has never been in one. */
export async function exportBroker(storage: Storage, crc32: Crc32): Promise<ExportedBroker> {
  const identity = await readIdentity(storage)
  if (!identity?.inCluster) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      'The directory is not that of a broker of a cluster: there is nothing to export. A broker that is alone joins a cluster with all its topics.',
    )
  }
  const { clusterId, brokerId, storageId, generation } = identity
  const { topics, groups, deleted } = await readNotes(storage)
  const distrusted = await distrustedLogs(storage)
  const logs: ExportedLog[] = []
  for (const log of (await storage.logs()).sort()) {
    logs.push(distrusted.get(log) === 'broken' ? lost(log) : await exportLog(storage, log, crc32))
  }
  return {
    format: 'portal-mq broker export',
    version: 1,
    clusterId,
    brokerId,
    storageId,
    generation,
    topics,
    deleted: deleted.map(({ topicId }) => topicId),
    groups,
    logs,
  }
}

async function exportLog(storage: Storage, log: string, crc32: Crc32): Promise<ExportedLog> {
  try {
    const { state } = await recover(storage, log, crc32)
    const groups = Object.fromEntries([...state.queues].map(([name, { generation }]) => [name, generation]))
    return { ...lost(log), isWhole: true, epoch: state.lastEpoch, end: state.nextIndex, groups }
  } catch (error) {
    if (isPortalError(error, 'CORRUPT')) return lost(log)
    throw error
  }
}

function lost(log: string): ExportedLog {
  const slash = log.lastIndexOf('/')
  const partition = Number(log.slice(slash + 1))
  return { topicId: log.slice(0, slash), partition, isWhole: false, epoch: -1, end: 0, groups: {} }
}
