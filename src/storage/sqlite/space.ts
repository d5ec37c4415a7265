import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { PortalError } from '../../core/errors.js'
import { DATABASE_FILE } from './connection.js'

/** In bytes. */
export interface DiskUse {
  readonly usedBytes: number
  /** Those of `usedBytes` that are the write-ahead log. */
  readonly logBytes: number
  readonly freeBytes: number
}

/** Asks the file system, not the database: a few system calls, none of them on the caller's thread or the storage's. */
export async function measureDisk(directory: string): Promise<DiskUse> {
  const database = join(directory, DATABASE_FILE)
  try {
    const [main, log, index, disk] = await Promise.all([
      sizeOf(database),
      sizeOf(`${database}-wal`),
      sizeOf(`${database}-shm`),
      statfs(directory),
    ])
    return { usedBytes: main + log + index, logBytes: log, freeBytes: disk.bavail * disk.bsize }
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
