import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { PortalError } from '../../core/errors.js'

/** Makes `directory`, with the folders above it, and makes sure that its name survives the loss of power. */
export function makeDirectory(directory: string): void {
  try {
    makeWithParents(directory)
  } catch (error) {
    const { code } = error as { code?: string }
    const notAFolder = code === 'EEXIST' || code === 'ENOTDIR'
    throw new PortalError(
      notAFolder ? 'INVALID_ARGUMENT' : 'STORAGE_FAILED',
      notAFolder
        ? `${directory} cannot be the broker's directory: it, or something above it, is a file.`
        : `The directory ${directory} cannot be made (${code}). Choose one that this process may write to.`,
      { cause: error },
    )
  }
}

/** Not by mkdir's `recursive`: on some file systems (/proc) that never ends. */
function makeWithParents(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return
  const parent = dirname(directory)
  if (parent !== directory) makeWithParents(parent)
  try {
    mkdirSync(directory)
  } catch (error) {
    const { code } = error as { code?: string }
    // Somebody else made it in the meantime.
    if (code !== 'EEXIST' || !statSync(directory).isDirectory()) throw error
  }
  syncDirectory(parent)
}

/** Makes the names in a folder survive the loss of power. */
export function syncDirectory(path: string): void {
  // Windows cannot open a folder, and needs no such sync.
  if (process.platform === 'win32') return
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
