/** How the requests and answers of one method become bytes and come back. What makes no sense throws CORRUPT; what is too new, UNSUPPORTED. */
export interface PeerMethod<Q, A> {
  readonly form: 'binary' | 'json'
  encodeRequest(request: Q): Uint8Array
  decodeRequest(bytes: Uint8Array): Q
  encodeAnswer(answer: A): Uint8Array
  decodeAnswer(bytes: Uint8Array): A
}
