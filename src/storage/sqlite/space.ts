import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { PortalError } from '../../core/errors.js'
import type { StorageSpace } from '../storage.js'
import { DATABASE_FILE } from './connection.js'

/** Asks the file system, not the database: a few system calls, none of them on the caller's thread or the storage's. */
export async function measureSpace(directory: string): Promise<StorageSpace> {
  const database = join(directory, DATABASE_FILE)
  try {
    const [main, log, index, disk] = await Promise.all([
      sizeOf(database),
      sizeOf(`${database}-wal`),
      sizeOf(`${database}-shm`),
      statfs(directory),
    ])
    return { usedBytes: main + log + index, freeBytes: disk.bavail * disk.bsize }
  } catch (error) {
    throw new PortalError('STORAGE_FAILED', `Cannot measure the space of ${directory}.`, { cause: error })
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return 0
    throw error
  }
}
