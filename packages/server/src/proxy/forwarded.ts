/**
 * Who sent a request first: told to the upstream by `Forwarded` (RFC 7239) and `X-Forwarded-For`, `-Proto` and `-Host`, and believed
 * from nobody but proxies on a list.
 *
 * @module
 */
import { isIP, isIPv6, type BlockList } from 'node:net'
import { isListed } from '../address-list.ts'
import { plainAddress } from '../origin.ts'
import type { Peer } from '../peer.ts'
import { isHost, type RequestHead } from './request-head.ts'

/** Which header trusted proxies keep; the other may come from anybody, straight through them. */
export type ForwardedHeader = 'x-forwarded-for' | 'forwarded'

/** Where a request came from. */
export interface RequestOrigin {
  /** The client's address, as far as it can be believed. */
  readonly address: string
  /** The way from the client on, without this server. */
  readonly path: readonly string[]
  readonly proto: 'http' | 'https'
  /** The host that the client asked for. */
  readonly host: string
}

/** Reads and writes the headers. */
export class Forwarding {
  readonly #trusted: BlockList | undefined
  readonly #header: ForwardedHeader

  constructor(trusted: BlockList | undefined, header: ForwardedHeader) {
    this.#trusted = trusted
    this.#header = header
  }

  /** Where a request came from: the peer itself, or whom a trusted peer speaks for. */
  originOf(peer: Peer, head: RequestHead): RequestOrigin {
    const own = {
      address: peer.address,
      path: [peer.address],
      proto: peer.encrypted ? 'https' : 'http',
      host: head.host,
    } as const
    if (this.#trusted === undefined || !isListed(this.#trusted, peer.address)) return own
    const said =
      this.#header === 'forwarded' ? readForwarded(head.claims) : readForwardedFor(head.claims)
    // From right to left: each is the word of the one before it, and the first that is not trusted is where belief ends.
    const path = [peer.address]
    for (const address of said.addresses.toReversed()) {
      if (address === undefined) break
      path.unshift(address)
      if (!isListed(this.#trusted, address)) break
    }
    return {
      address: path[0] ?? peer.address,
      path,
      proto: said.proto === 'http' || said.proto === 'https' ? said.proto : own.proto,
      host: said.host !== undefined && isHost(said.host) ? said.host : own.host,
    }
  }
}

/** Adds what the upstream is told of a request's origin. */
export function writeForwarded(headers: string[], { path, proto, host }: RequestOrigin): void {
  const [client = 'unknown', ...proxies] = path
  const first = `for=${node(client)};host=${quoted(host)};proto=${proto}`
  const rest = proxies.map((address) => `, for=${node(address)}`).join('')
  headers.push('Forwarded', first + rest)
  headers.push('X-Forwarded-For', path.length === 1 ? client : path.join(', '))
  headers.push('X-Forwarded-Proto', proto, 'X-Forwarded-Host', host)
}

interface Said {
  /** From left to right; `undefined` for what is no address. */
  readonly addresses: readonly (string | undefined)[]
  readonly proto: string | undefined
  readonly host: string | undefined
}

function readForwardedFor(claims: ReadonlyMap<string, string>): Said {
  const addresses = (claims.get('x-forwarded-for') ?? '').split(',').slice(-MOST_PROXIES)
  return {
    addresses: addresses.map((text) => addressOf(text.trim())),
    proto: lastOf(claims.get('x-forwarded-proto')),
    host: lastOf(claims.get('x-forwarded-host')),
  }
}

function readForwarded(claims: ReadonlyMap<string, string>): Said {
  const elements = splitOutsideQuotes(claims.get('forwarded') ?? '', ',').slice(-MOST_PROXIES)
  const pairs: Map<string, string>[] = []
  for (const element of elements) {
    const known = new Map<string, string>()
    for (const pair of splitOutsideQuotes(element, ';')) {
      if (pair.trim() === '') continue
      const [, name = '', value = ''] = PAIR.exec(pair) ?? []
      // A quote that the client left open turns what the proxy wrote behind it inside out: nothing of it can be believed.
      if (name === '') return NOTHING_SAID
      known.set(name.toLowerCase(), unquoted(value))
    }
    pairs.push(known)
  }
  const last = pairs.at(-1)
  return {
    addresses: pairs.map((known) => addressOf(known.get('for') ?? '')),
    proto: last?.get('proto')?.toLowerCase(),
    host: last?.get('host'),
  }
}

function lastOf(list: string | undefined): string | undefined {
  return list?.slice(list.lastIndexOf(',') + 1).trim()
}

function splitOutsideQuotes(text: string, mark: ',' | ';'): string[] {
  const parts: string[] = []
  let start = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]
    if (letter === '"') isQuoted = !isQuoted
    else if (letter === '\\' && isQuoted) at++
    else if (letter === mark && !isQuoted) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  return [...parts, text.slice(start)]
}

function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value
}

/** `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::1`, `[2001:db8::1]:4711`; not `unknown` and not `_hidden`. */
function addressOf(text: string): string | undefined {
  const [, bracketed, four] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(text) ?? []
  const address = bracketed ?? four ?? text
  if (bracketed !== undefined && !isIPv6(bracketed)) return undefined
  return isIP(address) === 0 || address.includes('%') ? undefined : plainAddress(address)
}

/** RFC 7239 §6: an IPv6 address stands in brackets and quotes. */
function node(address: string): string {
  const family = isIP(address)
  if (family === 6) return `"[${address.split('%', 1).join('')}]"`
  return family === 4 ? address : 'unknown'
}

/** A host with a port is no token (RFC 7239 §4). */
function quoted(host: string): string {
  return /^[A-Za-z0-9._-]+$/.test(host) ? host : `"${host}"`
}

const NOTHING_SAID: Said = { addresses: [], proto: undefined, host: undefined }
/** RFC 7239 §4, with the colons and brackets that many write without quotes. */
const PAIR = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)\s*$/
const MOST_PROXIES = 32
