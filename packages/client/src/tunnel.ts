/**
 * The way through a proxy: HTTP and HTTPS proxies (CONNECT for https, the request itself for http) and SOCKS5.
 *
 * A tunnel ends in the same connector as every other connection, so the server behind it is verified as it would be
 * without one; the proxy's own TLS is verified against the proxy's own trust. Which proxy is taken, if any, is decided in
 * `proxy.ts`.
 *
 * @module
 */
import { lookup } from 'node:dns'
import { isIP, type Socket } from 'node:net'
import { errorMessage } from '@countersign/core'
import {
  ConnectFailure,
  type Destination,
  type Link,
  type Opening,
  openConnection,
  Resumption,
} from './connect.ts'
import { type ClientError, ConnectError, ProxyError, TimeoutError } from './errors.ts'
import { failureOf, type RequestFacts } from './failure.ts'
import { Peer } from './peer.ts'
import { SocksTalk } from './socks.ts'
import type { NamedSecurity } from './trust.ts'

/** A proxy that a connection goes through. */
export interface Way {
  readonly protocol: 'http:' | 'https:' | 'socks5:' | 'socks5h:'
  readonly host: string
  readonly port: number
  readonly credentials: { readonly username: string; readonly password: string } | undefined
  /** How the connection to the proxy itself is secured: `https:` only. */
  readonly security: NamedSecurity | undefined
  /** For messages: `http://proxy.corp:3128`, never with credentials. */
  readonly shown: string
  /** Two connections may be shared only if it is the same. */
  readonly id: string
}

/** Called once: with a failure, or with a connection. */
export type OnOpened = (failure: Error | undefined, opened?: Opened) => void

interface Opened {
  readonly socket: Socket
  readonly link: Link
}

/** Whether the proxy is handed the request itself, with the whole URL in it, instead of being asked for a tunnel. */
export function isForwarding(way: Way | undefined, url: URL): way is Way {
  return way !== undefined && url.protocol === 'http:' && !way.protocol.startsWith('socks')
}

/** The value of `Proxy-Authorization`; `undefined` without credentials. */
export function proxyAuthorization({ credentials }: Way): string | undefined {
  if (credentials === undefined) return undefined
  const { username, password } = credentials
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** The error of a proxy that answered 407. */
export function proxyWantsCredentials(way: Way): ProxyError {
  const [fault, hint] =
    way.credentials === undefined
      ? ['wants credentials', 'pass them: proxy: { url, auth: { username, password } }']
      : ['did not take the credentials', 'correct user name and password of the proxy']
  return new ProxyError('proxy-auth-required', `the proxy ${way.shown} ${fault} (407)`, {
    proxy: way.shown,
    status: 407,
    hint,
  })
}

/**
 * Opens a connection, through a proxy where there is one.
 *
 * @param done - called once; a failure is a {@link ConnectFailure} or, where the proxy is at fault, an error of the call
 */
export function openThrough(
  way: Way | undefined,
  destination: Destination,
  resumption: Resumption,
  done: OnOpened,
): Opening {
  if (way === undefined) return openConnection(destination, resumption, done)
  const { connectTimeoutMs, tlsTimeoutMs, security } = destination
  const started = performance.now()
  let current: Opening
  let givenUp = false
  const toProxy = { ...way, connectTimeoutMs, tlsTimeoutMs, http: '1.1' } as const
  current = openConnection(toProxy, new Resumption(), (failure, opened) => {
    if (opened === undefined) {
      done(failure === undefined ? undefined : proxyFailure(failure, way))
      return
    }
    if (security === undefined && !way.protocol.startsWith('socks')) {
      // The proxy is handed the request itself: nobody vouches for the server behind it.
      done(undefined, forwarding(opened))
      return
    }
    talk(opened.socket, way, destination, left(connectTimeoutMs, started), (error) => {
      if (error !== undefined || givenUp) {
        opened.socket.destroy()
        const { firstError } = opened.link
        // What broke the connection says more than that it is closed: an alert that refuses our certificate.
        done(
          firstError === undefined
            ? (error ?? closedInTalk(way))
            : lostProxy(firstError, opened.link, way),
        )
        return
      }
      const { times } = opened.link
      times.proxyMs = performance.now() - started - (times.dnsMs ?? 0) - (times.connectMs ?? 0)
      const rest = { ...destination, connectTimeoutMs: left(connectTimeoutMs, started) }
      const onOpened: OnOpened = (lost, inner) => {
        if (inner === undefined) done(lost)
        else done(undefined, { ...inner, link: withTimes(inner.link, times) })
      }
      current = openConnection(rest, resumption, onOpened, opened.socket)
    })
  })
  return {
    destroy(error) {
      givenUp = true
      current.destroy(error)
    },
  }
}

/** Asks for the tunnel. */
function talk(
  socket: Socket,
  way: Way,
  target: Destination,
  timeoutMs: number,
  done: (error: ClientError | undefined) => void,
): void {
  if (!way.protocol.startsWith('socks')) {
    new Talk(socket, way, timeoutMs, done).start(connectRequest(way, target), (bytes) =>
      onConnectAnswer(bytes, way),
    )
    return
  }
  const begin = (host: string): void => {
    if (Buffer.byteLength(host) > LONGEST_NAME) {
      done(nameNotFound(target.host, new Error(`it has more than ${LONGEST_NAME} bytes`)))
      return
    }
    const socks = new SocksTalk({ host, port: target.port }, way.credentials)
    new Talk(socket, way, timeoutMs, done).start(socks.greeting, (bytes) => {
      const step = socks.next(bytes)
      if (step.kind === 'more' || step.kind === 'send' || step.kind === 'done') return step
      return { kind: 'failed', error: socksError(step, way) }
    })
  }
  if (way.protocol === 'socks5h:' || isIP(target.host) !== 0) begin(target.host)
  else {
    lookup(target.host, (error, address) => {
      if (error === null) begin(address)
      else done(nameNotFound(target.host, error))
    })
  }
}

/** What comes of the bytes so far. */
type Step =
  | { readonly kind: 'more' }
  | { readonly kind: 'send'; readonly send: Uint8Array; readonly used: number }
  | { readonly kind: 'done'; readonly used: number }
  | { readonly kind: 'failed'; readonly error: ProxyError }

/** A few messages with the proxy before the tunnel is one; nothing that belongs to the tunnel is swallowed. */
class Talk {
  readonly #socket: Socket
  readonly #way: Way
  readonly #timer: NodeJS.Timeout | undefined
  readonly #done: (error: ClientError | undefined) => void
  #bytes: Buffer = Buffer.alloc(0)
  #next: (bytes: Buffer) => Step = () => ({ kind: 'more' })

  constructor(
    socket: Socket,
    way: Way,
    timeoutMs: number,
    done: (error: ClientError | undefined) => void,
  ) {
    this.#socket = socket
    this.#way = way
    this.#done = done
    if (timeoutMs > 0) {
      this.#timer = setTimeout(() => {
        this.#end(
          new TimeoutError(`the proxy ${way.shown} gave no tunnel in the time for a connection`, {
            phase: 'connect',
            timeoutMs,
            hint: 'raise connectTimeoutMs if the proxy may take that long',
          }),
        )
      }, timeoutMs)
    }
  }

  start(first: Uint8Array, next: (bytes: Buffer) => Step): void {
    this.#next = next
    this.#socket.on('readable', this.#onReadable)
    this.#socket.on('close', this.#onClose)
    this.#socket.write(first)
  }

  readonly #onReadable = (): void => {
    for (let chunk: unknown = this.#socket.read(); Buffer.isBuffer(chunk); ) {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      if (this.#advance()) return
      chunk = this.#socket.read()
    }
  }

  readonly #onClose = (): void => {
    this.#end(closedInTalk(this.#way))
  }

  /** @returns whether the talk is over */
  #advance(): boolean {
    for (;;) {
      const step = this.#next(this.#bytes)
      if (step.kind === 'more' && this.#bytes.length <= LONGEST_ANSWER) return false
      if (step.kind === 'send') {
        this.#bytes = this.#bytes.subarray(step.used)
        this.#socket.write(step.send)
        continue
      }
      if (step.kind === 'failed') this.#end(step.error)
      else if (step.kind === 'more') this.#end(brokenProxy(this.#way, 'its answer does not end'))
      else if (this.#bytes.length > step.used) {
        // The server speaks second, in TLS and in HTTP: what is here came from the proxy.
        this.#end(brokenProxy(this.#way, 'it put bytes of its own into the tunnel'))
      } else this.#end(undefined)
      return true
    }
  }

  #end(error: ClientError | undefined): void {
    clearTimeout(this.#timer)
    this.#socket.off('readable', this.#onReadable)
    this.#socket.off('close', this.#onClose)
    this.#done(error)
  }
}

function connectRequest(way: Way, { host, port }: Destination): Uint8Array {
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
  const authorization = proxyAuthorization(way)
  const credentials = authorization === undefined ? '' : `proxy-authorization: ${authorization}\r\n`
  return Buffer.from(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${credentials}\r\n`)
}

/** RFC 9110 §9.3.6: any 2xx is the tunnel, and has no body, whatever its header says. */
function onConnectAnswer(bytes: Buffer, way: Way): Step {
  const text = bytes.toString('latin1')
  if (text.length >= 5 && !text.startsWith('HTTP/')) {
    return { kind: 'failed', error: brokenProxy(way, 'it does not speak HTTP') }
  }
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return { kind: 'more' }
  const [, digits] = /^HTTP\/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n/.exec(text) ?? []
  const status = Number(digits)
  if (digits === undefined || status < 200) {
    return { kind: 'failed', error: brokenProxy(way, 'its answer to CONNECT is not HTTP') }
  }
  if (status < 300) return { kind: 'done', used: end + 4 }
  if (status === 407) return { kind: 'failed', error: proxyWantsCredentials(way) }
  const error = new ProxyError(
    'proxy-refused',
    `the proxy ${way.shown} refused the connection: it answered CONNECT with ${status}`,
    { proxy: way.shown, status, hint: 'ask whoever runs the proxy, or go without: proxy: false' },
  )
  return { kind: 'failed', error }
}

function socksError(
  step: { readonly kind: 'credentials' | 'refused' | 'broken'; readonly message: string },
  way: Way,
): ProxyError {
  if (step.kind === 'broken') return brokenProxy(way, step.message)
  return new ProxyError(
    step.kind === 'refused' ? 'proxy-refused' : 'proxy-auth-required',
    `the proxy ${way.shown} made no connection: ${step.message}`,
    {
      proxy: way.shown,
      hint:
        step.kind === 'refused'
          ? 'check that the proxy can reach the host, or go without: proxy: false'
          : 'pass them: proxy: { url, auth: { username, password } }',
    },
  )
}

function lostProxy(cause: Error, link: Link, way: Way): ClientError {
  const error = failureOf(cause, factsOf(way), link, 'response')
  return error instanceof ConnectError ? brokenProxy(way, errorMessage(cause), cause) : error
}

function factsOf(way: Way): RequestFacts {
  // A URL of SOCKS has no origin that could be shown.
  const url = new URL(way.shown.replace(/^socks5h?:/, 'http:'))
  return { url, method: 'CONNECT', security: way.security }
}

/** A connection to the proxy that did not come about: as an error of the way, not of the server. */
function proxyFailure(failure: ConnectFailure, way: Way): ClientError {
  const error = failureOf(failure, factsOf(way), undefined, 'connect')
  if (!(error instanceof ConnectError)) return error
  return new ProxyError(
    'proxy-unreachable',
    `the proxy ${way.shown} cannot be used: ${errorMessage(failure.cause)}`,
    {
      proxy: way.shown,
      cause: failure.cause,
      hint: 'check its address in the option proxy or the proxy variables, or go without: proxy: false',
    },
  )
}

function brokenProxy(way: Way, fault: string, cause?: unknown): ProxyError {
  return new ProxyError('proxy-failed', `the proxy ${way.shown} made no tunnel: ${fault}`, {
    proxy: way.shown,
    cause,
    hint: 'check that it is a proxy of that kind',
  })
}

function closedInTalk(way: Way): ProxyError {
  return brokenProxy(way, 'it closed the connection')
}

function nameNotFound(host: string, cause: Error): ConnectError {
  return new ConnectError('name-not-found', `${host} has no address`, {
    cause,
    hint: 'with socks5h:// the proxy looks the name up',
  })
}

function forwarding({ socket, link }: Opened): Opened {
  return {
    socket,
    link: { ...link, peer: new Peer(socket, { verified: false, chain: [], host: '' }) },
  }
}

function withTimes(link: Link, outer: Link['times']): Link {
  Object.assign(link.times, { ...outer, tlsMs: link.times.tlsMs })
  return link
}

/** What is left of a time; 0 stays "for ever". */
function left(timeoutMs: number, started: number): number {
  return timeoutMs === 0 ? 0 : Math.max(1, Math.ceil(timeoutMs - (performance.now() - started)))
}

/** RFC 1928 §5 counts them in one byte: of a longer name the rest would be read as something else. */
const LONGEST_NAME = 255
const LONGEST_ANSWER = 16 * 1024
