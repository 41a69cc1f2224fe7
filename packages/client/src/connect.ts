/**
 * One connection: TCP, then TLS with a context that was built once.
 *
 * What Node loses on the way is kept here. The chain of a server that fails verification is gone by the time the `error`
 * event comes, but it is there in a listener put before Node's own on `secure`; verification stays on throughout. The first
 * error of a socket is kept, because a TLS 1.3 alert (`certificate required`) arrives after the handshake and is then
 * buried under "other side closed".
 *
 * @module
 */
import * as net from 'node:net'
import * as tls from 'node:tls'
import { admission, type HttpVersion, protocolsOf } from './admission.ts'
import { Peer } from './peer.ts'
import type { Security } from './security.ts'

/** What a pool connects to. */
export interface Destination {
  readonly host: string
  readonly port: number
  /** A Unix socket to connect to instead of host and port. */
  readonly socketPath?: string | undefined
  readonly connectTimeoutMs: number
  /** For the TLS handshake alone; 0 leaves it to `connectTimeoutMs`. */
  readonly tlsTimeoutMs: number
  /** Absent over plain HTTP. */
  readonly security: Security | undefined
  /** What to speak over TLS. */
  readonly http: HttpVersion
}

/** What is being opened, as long as it can be given up. */
export interface Opening {
  destroy(error?: Error): void
}

/** How long the steps of a connection took, in milliseconds; `undefined` for a step that was not made. */
export interface ConnectTimes {
  dnsMs: number | undefined
  connectMs: number | undefined
  proxyMs: number | undefined
  tlsMs: number | undefined
}

/** One socket, as long as it lives. */
export interface Link {
  readonly peer: Peer
  readonly times: ConnectTimes
  /** DER of what the server presented, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** When the certificate or the revocation lists end that it was verified by, in milliseconds since 1970. */
  readonly goodUntil: number
  /** The first thing that went wrong on the socket. */
  firstError: Error | undefined
  /** How many answers came over it. */
  answers: number
}

/** A connection that did not come about: what Node said, and what the server had presented until then. */
export class ConnectFailure extends Error {
  /** DER of the certificates, leaf first. */
  readonly chain: readonly Uint8Array[]
  readonly stage: 'tcp' | 'tls'
  /** The time that ran out, in milliseconds, and in what. */
  readonly timedOut: { readonly timeoutMs: number; readonly phase: 'connect' | 'tls' } | undefined

  constructor(cause: Error, facts: { chain: readonly Uint8Array[]; stage: 'tcp' | 'tls' }) {
    super(cause.message, { cause })
    this.chain = facts.chain
    this.stage = facts.stage
    this.timedOut = cause instanceof ConnectTimeout ? cause : undefined
  }
}

/** The TLS session of a destination, offered again on its next connection. */
export class Resumption {
  #kept: KeptSession | undefined

  /** A resumed handshake checks no certificate, so a session never outlives the one it was made with. */
  offer(): KeptSession | undefined {
    return this.#kept !== undefined && Date.now() < this.#kept.until ? this.#kept : undefined
  }

  keep(session: KeptSession): void {
    this.#kept = session
  }
}

/** A TLS session, and what was seen in the handshake it was made in: a resumed one sees the leaf at most. */
interface KeptSession {
  readonly data: Buffer
  /** When the leaf ends. */
  readonly until: number
  readonly chain: readonly Uint8Array[]
}

/**
 * Opens a connection.
 *
 * @param done - called once: with a link and its socket, or with a {@link ConnectFailure}
 * @param over - what it runs over, where that is open already: a tunnel through a proxy
 * @returns the socket, so that it can be given up while it connects
 */
export function openConnection(
  destination: Destination,
  resumption: Resumption,
  done: (failure: ConnectFailure | undefined, opened?: { socket: net.Socket; link: Link }) => void,
  over?: net.Socket,
): net.Socket {
  const { host, port, socketPath, security, connectTimeoutMs, tlsTimeoutMs } = destination
  // One that was made without Node's verification is not used again.
  const offered = security?.pinnedAlone === true ? undefined : resumption.offer()
  const socket =
    security === undefined
      ? (over ?? net.connect(socketPath === undefined ? { host, port } : { path: socketPath }))
      : tls.connect(tlsOptions(destination, security, offered?.data, over))
  const times = clockOf(socket)
  let chain: readonly Uint8Array[] = []
  // Until it is known, no session is kept.
  let notAfter = 0
  let stage: 'tcp' | 'tls' = over === undefined ? 'tcp' : 'tls'
  let link: Link | undefined
  let finished = false
  const timers: NodeJS.Timeout[] = []
  const allow = (timeoutMs: number, phase: 'connect' | 'tls'): void => {
    if (timeoutMs === 0) return
    timers.push(setTimeout(() => socket.destroy(new ConnectTimeout(timeoutMs, phase)), timeoutMs))
  }
  const stopTimers = (): void => {
    for (const timer of timers) clearTimeout(timer)
  }
  allow(connectTimeoutMs, 'connect')
  const fail = (error: Error): void => {
    if (link !== undefined) link.firstError ??= error
    if (finished) return
    finished = true
    stopTimers()
    done(new ConnectFailure(error, { chain, stage }))
  }
  const succeed = (): void => {
    if (finished) return
    finished = true
    stopTimers()
    link = {
      peer: new Peer(socket, { verified: security?.verified === true, chain, host }),
      times,
      chain,
      goodUntil:
        security === undefined ? Number.POSITIVE_INFINITY : goodUntil(security, chain, notAfter),
      firstError: undefined,
      answers: 0,
    }
    done(undefined, { socket, link })
  }
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 60_000)
  socket.on('error', fail)
  socket.once('close', () => fail(new Error('the connection was closed')))
  if (socket instanceof tls.TLSSocket) {
    if (over !== undefined) allow(tlsTimeoutMs, 'tls')
    socket.once('connect', () => {
      stage = 'tls'
      allow(tlsTimeoutMs, 'tls')
    })
    // Not getPeerX509Certificate(): called here, it makes Node 24 refuse a good certificate.
    socket.prependOnceListener('secure', () => {
      if (offered !== undefined && socket.isSessionReused()) {
        chain = offered.chain
        notAfter = offered.until
        return
      }
      const presented = socket.getPeerCertificate(true)
      chain = chainOf(presented)
      if (presented.valid_to !== undefined) notAfter = Date.parse(presented.valid_to)
    })
    socket.on('session', (data) => resumption.keep({ data, until: notAfter, chain }))
    socket.once('secureConnect', () => {
      const answer = security && admission(socket, chain, security, destination.http)
      const decide = (refusal: Error | undefined): void => {
        if (refusal === undefined) succeed()
        else socket.destroy(refusal)
      }
      if (answer instanceof Promise) void answer.then(decide, fail)
      else decide(answer)
    })
  } else if (socket === over) {
    queueMicrotask(succeed)
  } else {
    socket.once('connect', succeed)
  }
  return socket
}

/** A connection does not outlive what it was verified by. */
function goodUntil(security: Security, chain: readonly Uint8Array[], notAfter: number): number {
  if (!security.verified) return Number.POSITIVE_INFINITY
  return Math.min(notAfter, security.revocation?.dueAt(chain) ?? Number.POSITIVE_INFINITY)
}

function tlsOptions(
  destination: Destination,
  security: Security,
  session: Buffer | undefined,
  over: net.Socket | undefined,
): tls.ConnectionOptions {
  const options: tls.ConnectionOptions = {
    ...security.context.nodeClientOptions(destination.host),
    host: destination.host,
    port: destination.port,
    ALPNProtocols: protocolsOf(destination.http),
  }
  if (session !== undefined) options.session = session
  if (over !== undefined) options.socket = over
  else if (destination.socketPath !== undefined) options.path = destination.socketPath
  // The only connections of this package that Node does not verify. `verify: false`, asked for by name for this origin: nothing
  // verifies instead; they are warned about once per origin, and their pool is never shared with verified calls (see pools.ts).
  // A pin without an authority: the pin verifies instead, before a byte is sent (see admission.ts).
  if (!security.verified || security.pinnedAlone) options.rejectUnauthorized = false
  return options
}

/** Takes the time of every step as it comes. */
function clockOf(socket: net.Socket): ConnectTimes {
  const times: ConnectTimes = {
    dnsMs: undefined,
    connectMs: undefined,
    proxyMs: undefined,
    tlsMs: undefined,
  }
  let last = performance.now()
  const lap = (): number => {
    const now = performance.now()
    const taken = now - last
    last = now
    return taken
  }
  socket.once('lookup', () => {
    times.dnsMs = lap()
  })
  socket.once('connect', () => {
    times.connectMs = lap()
  })
  if (socket instanceof tls.TLSSocket) {
    socket.once('secureConnect', () => {
      times.tlsMs = lap()
    })
  }
  return times
}

function chainOf(presented: tls.DetailedPeerCertificate): Uint8Array[] {
  const chain: Uint8Array[] = []
  const seen = new Set<string>()
  let current: tls.DetailedPeerCertificate | undefined = presented
  // Without a certificate Node answers an empty object; a root links to itself.
  while (current?.raw !== undefined && !seen.has(current.fingerprint256)) {
    seen.add(current.fingerprint256)
    chain.push(current.raw)
    current = current.issuerCertificate
  }
  return chain
}

class ConnectTimeout extends Error {
  readonly timeoutMs: number
  readonly phase: 'connect' | 'tls'

  constructor(timeoutMs: number, phase: 'connect' | 'tls') {
    super(`no connection within ${timeoutMs} ms`)
    this.timeoutMs = timeoutMs
    this.phase = phase
  }
}
