import type { Node } from './client.js'
import { type JuteReader, JuteWriter } from './jute.js'

/** Operations, by ZooKeeper's numbers. */
export const OPERATION = {
  create: 1,
  delete: 2,
  exists: 3,
  get: 4,
  set: 5,
  setAcl: 7,
  children: 8,
  sync: 9,
  auth: 100,
  close: -11,
} as const

/** Numbers that requests do not get: what comes with them answers none of these. */
export const XID = { event: -1, auth: -4 } as const

export interface Acl {
  readonly permissions: number
  readonly scheme: string
  readonly id: string
}

const ALL_PERMISSIONS = 31
/** All rights for everybody. */
export const OPEN: Acl = { permissions: ALL_PERMISSIONS, scheme: 'world', id: 'anyone' }
/** All rights for whoever is authenticated on this session, none for others. */
export const CREATOR_ALL: Acl = { permissions: ALL_PERMISSIONS, scheme: 'auth', id: '' }

/** A session as the server names it. */
export interface Credentials {
  readonly id: bigint
  readonly password: Uint8Array
}

export const NEW_SESSION: Credentials = { id: 0n, password: new Uint8Array(16) }

export interface Granted extends Credentials {
  /** Milliseconds; 0: the session has expired. */
  readonly timeout: number
}

export function connectFrame(session: Credentials, timeout: number, lastZxid: bigint): Uint8Array {
  const version = 0
  const readOnly = false
  return new JuteWriter()
    .int(version)
    .long(lastZxid)
    .int(timeout)
    .long(session.id)
    .buffer(session.password)
    .boolean(readOnly)
    .frame()
}

export function readGranted(reader: JuteReader): Granted {
  reader.int()
  const timeout = reader.int()
  return { timeout, id: reader.long(), password: reader.buffer() }
}

export function request(xid: number, operation: number): JuteWriter {
  return new JuteWriter().int(xid).int(operation)
}

export function writeAcl(writer: JuteWriter, { permissions, scheme, id }: Acl): JuteWriter {
  return writer.int(1).int(permissions).text(scheme).text(id)
}

/** An unsigned number of 64 bits in hexadecimal, as ZooKeeper's own tools show sessions. */
export function sessionName(id: bigint): string {
  return `0x${BigInt.asUintN(64, id).toString(16)}`
}

export function readStat(reader: JuteReader): Omit<Node, 'data'> {
  // czxid, mzxid, ctime, mtime
  reader.skip(4 * 8)
  const version = reader.int()
  // cversion, aversion
  reader.skip(2 * 4)
  const owner = reader.long()
  return { version, owner: owner === 0n ? undefined : sessionName(owner) }
}

export function readNode(reader: JuteReader): Node {
  const data = reader.buffer()
  return { data, ...readStat(reader) }
}
