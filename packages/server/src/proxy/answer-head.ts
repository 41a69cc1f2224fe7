/**
 * The head of an upstream's answer, as the client gets it.
 *
 * Not here: `Location`, `Set-Cookie` and whatever else an application says about its own addresses; they are passed on as they are.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { breakOff, endConnection, isHttp2 } from '../http2-request.ts'
import { fold } from './header-kinds.ts'

/** What is left out of answers beside what belongs to the upstream's connection: by which software they were made. */
export const DEFAULT_HIDDEN: readonly string[] = ['server', 'x-powered-by']

/** How heads are written. */
export interface AnswerRules {
  /** Names in lower case. */
  readonly hidden: ReadonlySet<string>
  readonly via: string | undefined
}

/**
 * What makes an answer none, though Node could read it.
 *
 * @returns the fault in words
 */
export function answerFault(answer: IncomingMessage, mostHeaders: number): string | undefined {
  const { rawHeaders, statusCode = 0, headers } = answer
  if (rawHeaders.length > 2 * mostHeaders) return `more than ${mostHeaders} headers`
  // 101 without `Upgrade` comes this way: a client would take what follows for another protocol.
  if (statusCode < 200) return `the status ${statusCode} as the last word`
  const coding = headers['transfer-encoding']
  // Node decodes chunks and nothing else; the client would be told of no other coding.
  return coding === undefined || coding.toLowerCase() === 'chunked'
    ? undefined
    : 'a transfer coding that is not chunked'
}

/**
 * Writes the head.
 *
 * @param endsConnection - the rest of the request is not wanted any more
 * @throws where Node finds a value that cannot be sent
 */
export function writeAnswerHead(
  answer: IncomingMessage,
  outgoing: ServerResponse,
  { hidden, via }: AnswerRules,
  endsConnection: boolean,
): void {
  const { statusCode = 502, statusMessage = '' } = answer
  const headers = passedOn(answer, hidden, isChunkable(outgoing))
  if (via !== undefined) headers.push('Via', `1.1 ${via}`)
  if (endsConnection) endConnection(outgoing)
  if (!isHttp2(outgoing.req)) {
    // Node reads any bytes as a reason and writes fewer; what nobody reads (RFC 9112 §4) must not end the answer.
    if (REASON.test(statusMessage)) outgoing.writeHead(statusCode, statusMessage, headers)
    else outgoing.writeHead(statusCode, headers)
    return
  }
  for (let at = 0; at < headers.length; at += 2) {
    outgoing.appendHeader(headers[at] ?? '', headers[at + 1] ?? '')
  }
  outgoing.writeHead(statusCode)
}

/** Passes trailers on; those that frame a message or say whose it is have no place in them (RFC 9110 §6.5.1). */
export function addAnswerTrailers(answer: IncomingMessage, outgoing: ServerResponse): void {
  const { rawTrailers } = answer
  if (rawTrailers.length === 0) return
  const trailers: Record<string, string> = {}
  for (let at = 0; at < rawTrailers.length; at += 2) {
    const name = (rawTrailers[at] ?? '').toLowerCase()
    if (mayTrail(name)) trailers[name] = rawTrailers[at + 1] ?? ''
  }
  if (outgoing.headersSent && (isHttp2(outgoing.req) || outgoing.chunkedEncoding)) {
    outgoing.addTrailers(trailers)
  }
}

/** Whether a field may stand behind a body. */
export function mayTrail(name: string): boolean {
  const folded = fold(name)
  return !NOT_IN_TRAILERS.has(folded) && !HOP_BY_HOP.has(folded)
}

/** Breaks an answer off, so that nobody takes a part of it for the whole. */
export function breakAnswerOff(outgoing: ServerResponse): void {
  if (!outgoing.destroyed) breakOff(outgoing)
}

function passedOn(
  answer: IncomingMessage,
  hidden: ReadonlySet<string>,
  chunkable: boolean,
): string[] {
  const { rawHeaders, statusCode } = answer
  const listed = listedIn(answer.headers.connection)
  const hasLength = answer.headers['content-length'] !== undefined
  const headers: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || hidden.has(lower) || listed?.has(lower) === true) continue
    // RFC 9110 §8.6, §15.3.6: none where there can be no body.
    if (lower === 'content-length' && (statusCode === 204 || statusCode === 205)) continue
    // Node refuses an announcement of trailers where none can follow.
    if (lower === 'trailer' && (hasLength || !chunkable)) continue
    headers.push(name, rawHeaders[at + 1] ?? '')
  }
  return headers
}

function listedIn(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || /^(?:keep-alive|close)$/i.test(connection)) return undefined
  const listed = new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
  // The length belongs to the message, whatever the connection says.
  listed.delete('content-length')
  return listed
}

function isChunkable(outgoing: ServerResponse): boolean {
  const { req: incoming } = outgoing
  if (isHttp2(incoming)) return true
  return incoming.httpVersion === '1.1' && incoming.method !== 'HEAD'
}

/** RFC 9112 §4. */
const REASON = /^[\t\u0020-\u007e\u0080-\u00ff]*$/
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  // It would lead browsers past this server.
  'alt-svc',
])

const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'content-range',
  'trailer',
  'authorization',
  'cookie',
  'set-cookie',
  'location',
  'cache-control',
  'expect',
  'forwarded',
])
