import type { PeerService } from '../peer-service.js'
import {
  decodeAppendRequest,
  decodeAppendResponse,
  encodeAppendRequest,
  encodeAppendResponse,
} from './peer-append.js'
import {
  decodeBatchesRequest,
  decodeBatchesResponse,
  encodeBatchesRequest,
  encodeBatchesResponse,
} from './peer-batches.js'
import {
  decodeFetchRequest,
  decodeFetchResponse,
  encodeFetchRequest,
  encodeFetchResponse,
} from './peer-fetch.js'
import { jsonMethod } from './peer-json.js'
import type { PeerMethod } from './peer-method.js'
import {
  decodeSnapshotRequest,
  decodeSnapshotSlice,
  encodeSnapshotRequest,
  encodeSnapshotSlice,
} from './peer-snapshot.js'

export type PeerMethodName = keyof PeerService
type RequestOf<M extends PeerMethodName> = Parameters<PeerService[M]>[0]
type AnswerOf<M extends PeerMethodName> = Awaited<ReturnType<PeerService[M]>>

/** How every method of PeerService crosses: transports carry what stands here, and nothing else need be said of a method. */
export const peerMethods: { readonly [M in PeerMethodName]: PeerMethod<RequestOf<M>, AnswerOf<M>> } = {
  fetch: {
    form: 'binary',
    encodeRequest: encodeFetchRequest,
    decodeRequest: decodeFetchRequest,
    encodeAnswer: encodeFetchResponse,
    decodeAnswer: decodeFetchResponse,
  },
  readSnapshot: {
    form: 'binary',
    encodeRequest: encodeSnapshotRequest,
    decodeRequest: decodeSnapshotRequest,
    encodeAnswer: encodeSnapshotSlice,
    decodeAnswer: decodeSnapshotSlice,
  },
  readBatches: {
    form: 'binary',
    encodeRequest: encodeBatchesRequest,
    decodeRequest: decodeBatchesRequest,
    encodeAnswer: encodeBatchesResponse,
    decodeAnswer: decodeBatchesResponse,
  },
  append: {
    form: 'binary',
    encodeRequest: encodeAppendRequest,
    decodeRequest: decodeAppendRequest,
    encodeAnswer: encodeAppendResponse,
    decodeAnswer: decodeAppendResponse,
  },
  update: jsonMethod({ to: 'object', term: 'number', sequence: 'number', documents: 'list' }),
  report: jsonMethod({ documents: 'list' }),
  command: jsonMethod({ command: 'object' }),
  handOver: jsonMethod({ topicId: 'text', partition: 'number', epoch: 'number', to: 'object' }),
}

/** The table for whoever goes through all of it. */
export const allPeerMethods = Object.entries(peerMethods) as unknown as readonly (readonly [
  PeerMethodName,
  PeerMethod<object, unknown>,
])[]
