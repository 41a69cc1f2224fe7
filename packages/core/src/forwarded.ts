/**
 * What `Forwarded` (RFC 7239) and `X-Forwarded-For` say, whoever wrote it.
 *
 * Not here: whose word counts.
 *
 * @module
 */
import { isIP, isIPv6 } from 'node:net'

/** The way of a request as it is told; from left to right, every proxy adds at the end. */
export interface Forwarded {
  /** `undefined` for what is no address. */
  readonly addresses: readonly (string | undefined)[]
  /** As the last element has it. */
  readonly proto: string | undefined
  readonly host: string | undefined
}

/** Reads `Forwarded`; a header that is broken anywhere says nothing. At most the last 32 elements count. */
export function readForwarded(text: string): Forwarded {
  const elements = splitOutsideQuotes(text, ',').slice(-MOST_PROXIES)
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

/** Reads the addresses of `X-Forwarded-For`, the last 32 at most; `undefined` for what is none. */
export function readForwardedForList(text: string): (string | undefined)[] {
  const addresses = text.split(',').slice(-MOST_PROXIES)
  return addresses.map((address) => addressOf(address.trim()))
}

/** An IPv4 address that came in on an IPv6 port, as people write it: lists and limits know it by no other name. */
export function plainAddress(address: string): string {
  const [, dotted, high = '', low = ''] = MAPPED.exec(address) ?? []
  if (dotted !== undefined) return dotted
  if (high === '') return address
  const value = Number.parseInt(high, 16) * 0x1_0000 + Number.parseInt(low, 16)
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.')
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

const NOTHING_SAID: Forwarded = { addresses: [], proto: undefined, host: undefined }
/** RFC 7239 §4, with the colons and brackets that many write without quotes. */
const PAIR = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)\s*$/
const MOST_PROXIES = 32
/** RFC 4291 §2.5.5.2. */
const MAPPED =
  /^(?:::|(?:0{1,4}:){5})ffff:(?:(\d{1,3}(?:\.\d{1,3}){3})|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i
