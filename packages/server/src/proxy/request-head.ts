/**
 * A request's head, read so strictly that the upstream cannot read it in another way, and taken apart by what becomes of it.
 *
 * Node has refused much before (two lengths, a length beside chunks, folded lines, bare line ends); what it lets through and others read
 * differently is refused here.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import type { Problem } from '@countersign/core'
import { isHttp2 } from '../http2-request.ts'
import { upgradeOf } from '../upgrade.ts'
import { ESSENTIAL, fold, type HeaderKinds } from './header-kinds.ts'
import { malformed, methodRefused, TOO_MANY_HEADERS } from './problems.ts'

/** How the body of a request is framed. */
export type BodyFraming = 'none' | 'chunked' | number

/** A request as it can be passed on. */
export interface RequestHead {
  readonly method: string
  /** Path and query as they were sent: nothing is decoded, resolved or put in another form. */
  readonly target: string
  /** What `Host` or `:authority` said; the upstream's own name where a client of HTTP/1.0 said nothing. */
  readonly host: string
  readonly body: BodyFraming
  /** Names and values in turn: what is passed on as it is. */
  readonly headers: readonly string[]
  readonly cookie: string | undefined
  readonly authorization: string | undefined
  /** The client waits for `100 Continue`. */
  readonly expectsContinue: boolean
  /** The client takes trailers: `TE: trailers`. */
  readonly wantsTrailers: boolean
  /** A whole handshake of WebSocket. */
  readonly isUpgrade: boolean
  /** Another upgrade, or half a handshake: Node reads no further request on its connection. */
  readonly isLast: boolean
  /** What only trusted proxies may say, by name in lower case; several of one name are joined by a comma. */
  readonly claims: ReadonlyMap<string, string>
}

/** How {@link readHead} reads. */
export interface HeadRules {
  readonly kinds: HeaderKinds
  readonly mostHeaders: number
  /** Stands in for the host that a client of HTTP/1.0 leaves out. */
  readonly defaultHost: string
}

/**
 * Reads a head.
 *
 * @returns the head, or the refusal
 */
export function readHead(
  incoming: IncomingMessage,
  { kinds, mostHeaders, defaultHost }: HeadRules,
): { readonly head: RequestHead } | { readonly refusal: Problem } {
  const { rawHeaders, method = '' } = incoming
  if (method === 'TRACE' || method === 'CONNECT') return { refusal: methodRefused(method) }
  if (rawHeaders.length > 2 * mostHeaders) return { refusal: TOO_MANY_HEADERS }
  const seen = new Fields()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const value = rawHeaders[at + 1] ?? ''
    const kind = kinds.of(name)
    if (kind === 'pass') seen.passed.push(name, value)
    else if (kind !== 'drop') seen.take(kind === 'claim' ? name.toLowerCase() : kind, value)
  }
  const http2 = isHttp2(incoming)
  const host = hostOf(incoming, seen, defaultHost)
  if (host === undefined) return { refusal: malformed('the request must name one host') }
  const target = targetOf(incoming.url ?? '', method, host)
  if (target === undefined) {
    return { refusal: malformed('the target of the request is no path, or one of another host') }
  }
  const body = http2
    ? framingOfHttp2(seen, incoming.stream.endAfterHeaders)
    : framingOf(seen, incoming.httpVersion)
  if (body === undefined) return { refusal: malformed('the length of the body is not clear') }
  const listed = listedIn(seen.one('connection'))
  if (listed.some((name) => ESSENTIAL.has(name))) {
    return { refusal: malformed('Connection names a header that belongs to the request') }
  }
  if (seen.count('authorization') > 1) {
    return { refusal: malformed('the request has two Authorization headers') }
  }
  const te = seen.one('te')
  const isUpgrade = upgradeOf(incoming) !== undefined
  return {
    head: {
      method,
      target,
      host,
      body,
      headers: withoutListed(seen.passed, listed),
      // RFC 9113 §8.2.3: a client of HTTP/2 may send each pair by itself.
      cookie: seen.joined('cookie', '; '),
      authorization: seen.one('authorization'),
      // Node has sent the 100 to a client of HTTP/2, and refused every other expectation.
      expectsContinue:
        body !== 'none' && incoming.httpVersion === '1.1' && seen.count('expect') > 0,
      wantsTrailers: te !== undefined && /(?:^|,)\s*trailers\s*(?:,|$)/i.test(te),
      isUpgrade,
      isLast: listed.includes('upgrade') && !isUpgrade,
      claims: seen.claims(),
    },
  }
}

/** A host name or address, and a port (RFC 3986 §3.2.2), as it can stand in a header in quotes. */
export function isHost(text: string): boolean {
  return HOST.test(text)
}

/** The headers that mean something here, by name. */
class Fields {
  readonly passed: string[] = []
  readonly #values = new Map<string, string[]>()

  take(name: string, value: string): void {
    const values = this.#values.get(name)
    if (values === undefined) this.#values.set(name, [value])
    else values.push(value)
  }

  count(name: string): number {
    return this.#values.get(name)?.length ?? 0
  }

  one(name: string): string | undefined {
    return this.joined(name, ', ')
  }

  joined(name: string, separator: string): string | undefined {
    const values = this.#values.get(name)
    return values?.length === 1 ? values[0] : values?.join(separator)
  }

  claims(): ReadonlyMap<string, string> {
    let claims: Map<string, string> | undefined
    for (const [name, values] of this.#values) {
      if (!name.includes('-cert') && !name.includes('forwarded')) continue
      claims ??= new Map()
      claims.set(name, values.join(', '))
    }
    return claims ?? NO_CLAIMS
  }
}

/** RFC 9112 §3.2: none, two, or one that cannot be read are refused. */
function hostOf(incoming: IncomingMessage, seen: Fields, defaultHost: string): string | undefined {
  if (isHttp2(incoming)) {
    const { host } = incoming.headers
    if (host === undefined || seen.count('host') > 1) return undefined
    return HOST.test(host) ? host : undefined
  }
  if (seen.count('host') === 0 && incoming.httpVersion === '1.0') return defaultHost
  const host = seen.count('host') === 1 ? seen.one('host') : undefined
  return host !== undefined && HOST.test(host) ? host : undefined
}

/** Origin form, or absolute form for the same host (RFC 9112 §3.2), as origin form; `*` for OPTIONS. */
function targetOf(url: string, method: string, host: string): string | undefined {
  if (url === '*') return method === 'OPTIONS' ? url : undefined
  let target = url
  if (!url.startsWith('/')) {
    const [whole = '', authority] = /^https?:\/\/([^/?]*)/i.exec(url) ?? []
    if (authority?.toLowerCase() !== host.toLowerCase()) return undefined
    const rest = url.slice(whole.length)
    target = rest.startsWith('/') ? rest : `/${rest}`
  }
  // A fragment is never sent, and what others make of one differs.
  return /^[!"$-~]+$/.test(target) ? target : undefined
}

/** RFC 9112 §6: `chunked` and nothing else, or one length in digits, never both. */
function framingOf(seen: Fields, httpVersion: string): BodyFraming | undefined {
  const coding = seen.one('transfer-encoding')
  const length = seen.one('content-length')
  if (coding !== undefined) {
    const isPlain = coding.toLowerCase() === 'chunked' && length === undefined
    return isPlain && httpVersion === '1.1' ? 'chunked' : undefined
  }
  return lengthOf(seen, length)
}

function framingOfHttp2(seen: Fields, endsAfterHeaders: boolean): BodyFraming | undefined {
  const foreign = seen.count('transfer-encoding') + seen.count('connection') + seen.count('upgrade')
  if (foreign > 0) return undefined
  const length = lengthOf(seen, seen.one('content-length'))
  if (length === undefined) return undefined
  if (endsAfterHeaders) return length === 'none' || length === 0 ? length : undefined
  return length === 'none' ? 'chunked' : length
}

function lengthOf(seen: Fields, length: string | undefined): BodyFraming | undefined {
  if (length === undefined) return 'none'
  if (seen.count('content-length') > 1 || !/^\d{1,15}$/.test(length)) return undefined
  return Number(length)
}

function listedIn(connection: string | undefined): string[] {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return []
  return connection.split(',').map((name) => fold(name.trim()))
}

function withoutListed(headers: readonly string[], listed: readonly string[]): readonly string[] {
  if (listed.length === 0) return headers
  const names = new Set(listed)
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (!names.has(fold(name))) kept.push(name, headers[at + 1] ?? '')
  }
  return kept
}

const NO_CLAIMS: ReadonlyMap<string, string> = new Map()
const HOST = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/
