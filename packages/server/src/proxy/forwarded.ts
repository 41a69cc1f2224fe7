/**
 * Who sent a request first: told to the upstream by `Forwarded` (RFC 7239) and `X-Forwarded-For`, `-Proto` and `-Host`, and believed
 * from nobody but proxies on a list.
 *
 * @module
 */
import { isIP, type BlockList } from 'node:net'
import { type Forwarded, readForwarded, readForwardedForList } from '@countersign/core'
import { isListed } from '../address-list.ts'
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
      this.#header === 'forwarded'
        ? readForwarded(head.claims.get('forwarded') ?? '')
        : readForwardedFor(head.claims)
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

function readForwardedFor(claims: ReadonlyMap<string, string>): Forwarded {
  return {
    addresses: readForwardedForList(claims.get('x-forwarded-for') ?? ''),
    proto: lastOf(claims.get('x-forwarded-proto')),
    host: lastOf(claims.get('x-forwarded-host')),
  }
}

function lastOf(list: string | undefined): string | undefined {
  return list?.slice(list.lastIndexOf(',') + 1).trim()
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
