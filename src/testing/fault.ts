/** What happens to one request and its answer. Bytes are counted from the beginning of the message, head included. */
export type Fault =
  | { readonly type: 'pass' }
  /** The connection is cut when the server has had so many bytes of the request; all of them: before it can answer. */
  | { readonly type: 'cut-request'; readonly after: number }
  /** The connection is cut when the client has had so many bytes of the answer. */
  | { readonly type: 'cut-answer'; readonly after: number }
  /** The server has the request and answers; the client's connection is cut, or with `hang` it waits for ever. */
  | { readonly type: 'swallow'; readonly hang?: boolean | undefined }
  /** The request, the answer or both come late: milliseconds. */
  | { readonly type: 'delay'; readonly request?: number | undefined; readonly answer?: number | undefined }
  /** The server has the request twice, the second time on another connection and `after` milliseconds later (default 0); that answer is dropped. */
  | { readonly type: 'duplicate'; readonly after?: number | undefined }

export interface FaultyRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
}

/** What became of a request. */
export interface FaultReport extends FaultyRequest {
  /** Whether the fault happened: a message that is shorter than `after` is not cut. */
  readonly carriedOut: boolean
  /** Bytes of the whole request. */
  readonly requestBytes: number
  /** Bytes of the answer that came from the server. */
  readonly answerBytes: number
}
