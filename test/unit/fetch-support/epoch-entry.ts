import { crc32 } from 'node:zlib'
import { ENTRY_VERSION, type StoredEntry } from '../../../src/core/entry.js'
import { encodeBody } from '../../../src/core/entry-codec.js'

/** The smallest entry there is, as leader a writes it in epoch 1. */
export function epochEntry(index: number, version = ENTRY_VERSION): StoredEntry {
  return {
    index,
    epoch: 1,
    kind: 'epoch',
    version,
    baseOffset: 0,
    count: 0,
    appendTime: 1,
    safeTime: 1,
    payload: encodeBody({ kind: 'epoch', leader: 'a' }, crc32),
  }
}
