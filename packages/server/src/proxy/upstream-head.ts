/**
 * The head that an upstream gets: what the client sent, and what only this server says.
 *
 * @module
 */
import type { Caller } from './login.ts'
import { type RequestOrigin, writeForwarded } from './forwarded.ts'
import type { RequestHead } from './request-head.ts'

/** What is said beside what the client sent. */
export interface HeadAdditions {
  readonly host: string
  readonly origin: RequestOrigin
  /** Adds `Client-Cert` and its chain. */
  readonly writeCertificate: (headers: string[]) => void
  /** Who has signed in, where that is asked. */
  readonly caller: Caller | undefined
  /** What remains of the client's `Cookie` and `Authorization`. */
  readonly cookie: string | undefined
  readonly authorization: string | undefined
  readonly via: string | undefined
  /** The protocol the client used, for `Via`. */
  readonly httpVersion: string
}

/** Writes the head: names and values in turn. */
export function upstreamHeaders(head: RequestHead, additions: HeadAdditions): string[] {
  const { caller, cookie, authorization, via } = additions
  const headers = ['Host', additions.host, ...head.headers]
  if (cookie !== undefined) headers.push('Cookie', cookie)
  if (authorization !== undefined) headers.push('Authorization', authorization)
  writeForwarded(headers, additions.origin)
  additions.writeCertificate(headers)
  if (caller !== undefined) {
    headers.push('Countersign-User', encoded(caller.name))
    if (caller.roles.length > 0) headers.push('Countersign-Roles', caller.roles.join(', '))
  }
  if (via !== undefined) headers.push('Via', `${additions.httpVersion} ${via}`)
  writeFraming(headers, head)
  return headers
}

function writeFraming(headers: string[], head: RequestHead): void {
  if (head.isUpgrade) {
    headers.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
    return
  }
  if (head.expectsContinue) headers.push('Expect', '100-continue')
  if (head.body === 'chunked') headers.push('Transfer-Encoding', 'chunked')
  else if (head.body !== 'none') headers.push('Content-Length', String(head.body))
  // Node would announce chunks of nothing.
  else if (head.method !== 'GET' && head.method !== 'HEAD') headers.push('Content-Length', '0')
  if (head.wantsTrailers) headers.push('TE', 'trailers', 'Connection', 'keep-alive, TE')
  else headers.push('Connection', 'keep-alive')
}

/** A name may hold any letter, a header may not: UTF-8, percent-encoded but for printable ASCII other than `%` itself. */
function encoded(name: string): string {
  return name.replaceAll(/[^ -$&-~]+/gu, (letters) => encodeURIComponent(letters))
}
