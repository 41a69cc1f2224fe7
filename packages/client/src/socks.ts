/**
 * SOCKS5 (RFC 1928), as far as a client needs it: CONNECT, without credentials or with a user name and password (RFC 1929).
 *
 * The messages only: `tunnel.ts` puts them on the wire.
 *
 * @module
 */
import { isIP, isIPv4 } from 'node:net'

/** Where the proxy is to connect to. */
export interface SocksTarget {
  readonly host: string
  readonly port: number
}

/** What a step of the conversation makes of the bytes that are there. */
export type SocksStep =
  /** More bytes are needed. */
  | { readonly kind: 'more' }
  /** `send` goes out, `used` bytes are done with. */
  | { readonly kind: 'send'; readonly send: Uint8Array; readonly used: number }
  | { readonly kind: 'done'; readonly used: number }
  | { readonly kind: 'credentials'; readonly message: string }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'broken'; readonly message: string }

/** One conversation; `greeting` goes out first, then every answer is handed to {@link SocksTalk.next}. */
export class SocksTalk {
  readonly greeting: Uint8Array
  readonly #target: SocksTarget
  readonly #credentials: { readonly username: string; readonly password: string } | undefined
  #state: 'method' | 'password' | 'reply' = 'method'

  constructor(
    target: SocksTarget,
    credentials: { readonly username: string; readonly password: string } | undefined,
  ) {
    this.#target = target
    this.#credentials = credentials
    this.greeting =
      credentials === undefined
        ? Uint8Array.of(VERSION, 1, NO_CREDENTIALS)
        : Uint8Array.of(VERSION, 2, NO_CREDENTIALS, PASSWORD)
  }

  /** @param bytes - everything that has come in and was not used yet */
  next(bytes: Uint8Array): SocksStep {
    if (this.#state === 'method') return this.#onMethod(bytes)
    if (this.#state === 'password') return this.#onPassword(bytes)
    return onReply(bytes)
  }

  #onMethod(bytes: Uint8Array): SocksStep {
    const [version, method] = bytes
    if (version === undefined) return MORE
    if (version !== VERSION) return { kind: 'broken', message: 'it does not speak SOCKS5' }
    if (method === undefined) return MORE
    if (method === NO_CREDENTIALS) return this.#connect(2)
    if (method === PASSWORD && this.#credentials !== undefined) {
      this.#state = 'password'
      const username = Buffer.from(this.#credentials.username)
      const password = Buffer.from(this.#credentials.password)
      const send = Buffer.concat([
        Uint8Array.of(1, username.length),
        username,
        Uint8Array.of(password.length),
        password,
      ])
      return { kind: 'send', send, used: 2 }
    }
    if (method === NONE_OF_THESE && this.#credentials === undefined) {
      return { kind: 'credentials', message: 'it wants a user name and password' }
    }
    return { kind: 'broken', message: 'it wants a way of signing in that was not offered' }
  }

  #onPassword(bytes: Uint8Array): SocksStep {
    if (bytes.length < 2) return MORE
    if (bytes[1] !== 0) {
      return { kind: 'credentials', message: 'it did not take the user name and password' }
    }
    return this.#connect(2)
  }

  #connect(used: number): SocksStep {
    this.#state = 'reply'
    const { host, port } = this.#target
    const send = Buffer.concat([
      Uint8Array.of(VERSION, CONNECT, 0),
      addressOf(host),
      Uint8Array.of(port >> 8, port & 0xff),
    ])
    return { kind: 'send', send, used }
  }
}

function onReply(bytes: Uint8Array): SocksStep {
  const [version, reply, , kind, length] = bytes
  if (version === undefined) return MORE
  if (version !== VERSION) return { kind: 'broken', message: 'its reply is not SOCKS5' }
  if (reply === undefined) return MORE
  if (reply !== 0) {
    return { kind: 'refused', message: REPLIES.get(reply) ?? `it replied with code ${reply}` }
  }
  if (kind === undefined || length === undefined) return MORE
  const size = kind === IPV4 ? 4 : kind === IPV6 ? 16 : kind === NAME ? 1 + length : undefined
  if (size === undefined) return { kind: 'broken', message: 'its reply has an unknown address' }
  const used = 4 + size + 2
  return bytes.length < used ? MORE : { kind: 'done', used }
}

/** RFC 1928 §5: kind and address. */
function addressOf(host: string): Uint8Array {
  if (isIPv4(host)) return Uint8Array.of(IPV4, ...host.split('.').map(Number))
  if (isIP(host) === 6) return Uint8Array.of(IPV6, ...ipv6Bytes(host))
  const name = Buffer.from(host)
  return Buffer.concat([Uint8Array.of(NAME, name.length), name])
}

/** The URL parser has put the address into its canonical form, without a dotted tail. */
function ipv6Bytes(host: string): number[] {
  const canonical = URL.parse(`http://[${host}]/`)?.hostname.slice(1, -1) ?? host
  const [before = '', after] = canonical.split('::')
  const head = groupsOf(before)
  const tail = after === undefined ? [] : groupsOf(after)
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0)
  return [...head, ...zeros, ...tail].flatMap((group) => [group >> 8, group & 0xff])
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

const MORE: SocksStep = { kind: 'more' }
const VERSION = 5
const CONNECT = 1
const NO_CREDENTIALS = 0
const PASSWORD = 2
const NONE_OF_THESE = 0xff
const IPV4 = 1
const NAME = 3
const IPV6 = 4

/** RFC 1928 §6. */
const REPLIES = new Map([
  [1, 'it failed'],
  [2, 'its rules do not allow the connection'],
  [3, 'it cannot reach the network'],
  [4, 'it cannot reach the host'],
  [5, 'the host refused its connection'],
  [6, 'the connection took too many hops'],
  [7, 'it does not know the command CONNECT'],
  [8, 'it does not know that kind of address'],
])
