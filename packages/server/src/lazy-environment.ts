/**
 * What a fetch handler gets beside its request, and a shorter way to the headers of that request.
 *
 * @hono/node-server makes the headers of a request when they are first asked for, and keeps them under a symbol of its own. Where that
 * symbol is missing they were never made, so nobody has changed them, and what Node has read is what they would say.
 *
 * @module
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { FetchEnvironment } from './handler.ts'
import type { Peer } from './peer.ts'
import { symbolOf } from './symbol-values.ts'

/** The environment of one request. */
export class LazyEnvironment implements FetchEnvironment {
  readonly peer: Peer
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly #request: Request

  constructor(request: Request, peer: Peer, incoming: IncomingMessage, outgoing: ServerResponse) {
    this.peer = peer
    this.incoming = incoming
    this.outgoing = outgoing
    this.#request = request
  }

  headersAsSent(request: Request): IncomingHttpHeaders | undefined {
    if (request !== this.#request || this.incoming.httpVersionMajor !== 1) return undefined
    if (headersSymbol === undefined) {
      // To learn the symbol is to have the headers made: the first request goes the longer way.
      headersSymbol = request.headers === undefined ? undefined : symbolOf(request, 'headersKey')
      return undefined
    }
    // Nor may somebody have put others in their place.
    if (headersSymbol in request || Object.hasOwn(request, 'headers')) return undefined
    return this.incoming.headers
  }
}

let headersSymbol: symbol | undefined
