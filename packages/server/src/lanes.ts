/**
 * The sockets of one server and the servers of Node that they go through: a front door with its lanes, or plain HTTP.
 *
 * @module
 */
import type { Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { Server as NetServer, type Socket } from 'node:net'
import { Admission } from './admission.ts'
import { Connection, connectionOf, register } from './connection.ts'
import { createDispatcher, type Dispatcher } from './dispatch.ts'
import { createFrontDoor } from './front-door.ts'
import type { Answerer } from './handler.ts'
import { type Http2Lane, speaksHttp2 } from './http2-lane.ts'
import { createServer } from './node-http.ts'
import { type Origin, originOf, rememberOrigin, setOrigin } from './origin.ts'
import type { ProxyAllowance } from './proxy-protocol.ts'
import { failureOf } from './refusal.ts'
import { createLane } from './secure-lane.ts'
import type { Site, Terms } from './sites.ts'
import type { ServerState } from './state.ts'
import type { TicketKey } from './ticket-keys.ts'

/** What answers. */
export interface Answerers {
  readonly main: Answerer
  /** Plain HTTP on the port of HTTPS. */
  readonly plain: Answerer
}

/** A way for connections: one of Node's servers, and how many connections it has. */
interface Lane {
  readonly server: HttpServer | HttpsServer
  readonly http2?: Http2Lane | undefined
  open: number
}

/** All sockets of one server. */
export class Lanes {
  /** What listens. */
  readonly front: NetServer
  readonly #state: ServerState
  readonly #dispatcher: Dispatcher
  readonly #plain: Lane
  readonly #retired = new Set<Lane>()
  /** Every TCP connection and where it went; `undefined` while its first byte is awaited. */
  readonly #sockets = new Map<Socket, Lane | undefined>()
  /** What requests come in by: TLS connections whose handshake is done. */
  readonly #secured = new Set<Socket>()
  /** By the name of the key that each seals its tickets with: the newest, and the one before for clients that come with its tickets. */
  readonly #current = new Map<Site, Map<string, Lane>>()
  readonly #admission: Admission
  readonly #proxies: ProxyAllowance | undefined
  #whenEmpty: (() => void) | undefined

  constructor(state: ServerState, answerers: Answerers, proxies?: ProxyAllowance) {
    const { sites, limits } = state
    this.#state = state
    this.#proxies = proxies
    this.#admission = new Admission(limits, state.reportHandshake)
    this.#dispatcher = createDispatcher(state, answerers.main)
    if (sites === undefined && proxies === undefined) {
      const server = plainServer(this.#dispatcher)
      this.#plain = { server, open: 0 }
      this.front = server
      server.prependListener('connection', (socket) => this.#accept(socket, this.#plain))
    } else {
      this.#plain = {
        server: plainServer(
          sites === undefined ? this.#dispatcher : createDispatcher(state, answerers.plain),
        ),
        open: 0,
      }
      for (const site of sites ?? []) this.#current.set(site, this.#newest(site, site.terms))
      // Node starts to watch for late headers when a server begins to listen, which this one never does.
      this.#plain.server.emit('listening')
      this.front = createFrontDoor(
        {
          tls:
            sites &&
            ((socket, hello) => {
              state.observer.hello(socket, hello)
              const lane = this.#laneOf(sites.find(hello.serverName), hello.ticketKeyName)
              if (lane === undefined) socket.destroy()
              else this.#enter(socket, lane)
            }),
          http: (socket) => this.#enter(socket, this.#plain),
          onOrigin: (socket, origin) => {
            setOrigin(socket, origin)
            this.#count(socket, origin)
          },
          onRefused: (socket, refusal) => {
            state.reportHandshake(failureOf(refusal, originOf(socket)))
          },
        },
        { waitMs: limits.handshakeMs, proxies },
      )
      this.front.prependListener('connection', (socket) => this.#accept(socket, undefined))
    }
    this.front.maxConnections = limits.connections
    this.front.on('error', (error) => {
      // Accepting failed, for want of file descriptors for instance; the next one may succeed.
      if (this.front.listening) state.reportError(error)
    })
  }

  /** How many connections are open, those of which nothing is known yet among them. */
  get connections(): number {
    return this.#sockets.size
  }

  /**
   * New connections are made by these terms from now on; those that are open finish where they are.
   *
   * @param next - every site there is from now on, with its terms; equal terms change nothing
   */
  swap(next: ReadonlyMap<Site, Terms>): void {
    const { sites } = this.#state
    if (sites === undefined) return
    // All of them are made before the first is used.
    const lanes = new Map<Site, Map<string, Lane>>()
    for (const [site, terms] of next) {
      const current = this.#current.get(site)
      const keep = current !== undefined && site.terms === terms
      lanes.set(site, keep ? current : this.#newest(site, terms))
    }
    const previous = [...this.#current].filter(([site, byKey]) => lanes.get(site) !== byKey)
    this.#current.clear()
    for (const [site, byKey] of lanes) this.#current.set(site, byKey)
    for (const [site, terms] of next) site.terms = terms
    sites.replaceHosts([...next.keys()].filter((site) => site !== sites.main))
    for (const [, byKey] of previous) for (const lane of byKey.values()) this.#retire(lane)
  }

  /**
   * Stops accepting, lets what is under way finish, and closes everything else.
   *
   * @param timeoutMs - then the rest is cut; aborting `signal` does that at once
   * @param idleGraceMs - for so long a connection without anything to answer may still bring a request
   */
  async drain(timeoutMs: number, signal: AbortSignal | undefined, idleGraceMs = 0): Promise<void> {
    const { promise: empty, resolve } = Promise.withResolvers<void>()
    this.#whenEmpty = resolve
    this.#state.draining = true
    const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>()
    // That of a server of plain HTTP would close idle connections as well.
    NetServer.prototype.close.call(this.front, () => onClosed())
    const cut = (): void => this.#cut()
    const idleSince = performance.now() + idleGraceMs
    const sweep = setInterval(() => {
      if (performance.now() >= idleSince) this.#closeIdle()
    }, SWEEP_MS)
    const deadline = setTimeout(cut, timeoutMs)
    signal?.addEventListener('abort', cut, { once: true })
    try {
      if (signal?.aborted === true) cut()
      if (idleGraceMs === 0) this.#closeIdle()
      else this.#sayGoodbye()
      if (this.#sockets.size > 0) await empty
      await closed
    } finally {
      clearInterval(sweep)
      clearTimeout(deadline)
      signal?.removeEventListener('abort', cut)
      for (const lane of this.#lanes()) lane.server.close()
    }
  }

  #lanes(): Lane[] {
    const current = [...this.#current.values()].flatMap((byKey) => [...byKey.values()])
    return [this.#plain, ...current, ...this.#retired]
  }

  #newest(site: Site, terms: Terms): Map<string, Lane> {
    const key = this.#state.tickets.current
    return new Map([[key.name, this.#secure(site, terms, key)]])
  }

  /**
   * The lane of a site that can read the client's ticket, where its key is still honoured; else the one with the newest key.
   *
   * @returns `undefined` for a site that is gone
   */
  #laneOf(site: Site, ticketKeyName: string | undefined): Lane | undefined {
    const byKey = this.#current.get(site)
    if (byKey === undefined) return undefined
    const key = this.#state.tickets.find(ticketKeyName)
    const known = byKey.get(key.name)
    if (known !== undefined) return known
    for (const [name, lane] of byKey) {
      if (this.#state.tickets.honours(name)) continue
      byKey.delete(name)
      this.#retire(lane)
    }
    const lane = this.#secure(site, site.terms, key)
    byKey.set(key.name, lane)
    return lane
  }

  #retire(lane: Lane): void {
    this.#retired.add(lane)
    this.#release(lane)
  }

  #secure(site: Site, terms: Terms, ticketKey: TicketKey): Lane {
    const { server, http2 } = createLane({
      state: this.#state,
      site,
      terms,
      dispatcher: this.#dispatcher,
      ticketKey,
      sockets: this.#secured,
    })
    return { server, http2, open: 0 }
  }

  #accept(socket: Socket, lane: Lane | undefined): void {
    if (this.#sockets.size >= this.#state.limits.connections) {
      // Node counts only what it has accepted itself.
      socket.destroy()
      return
    }
    this.#sockets.set(socket, lane)
    if (lane === undefined) rememberOrigin(socket)
    else this.#admit(socket, lane)
    socket.once('close', () => this.#forget(socket))
    // A proxy comes from one address with everybody's connections; whom it speaks for is counted instead.
    if (this.#proxies?.has(socket.remoteAddress) !== true) this.#count(socket, originOf(socket))
  }

  #count(socket: Socket, origin: Origin): void {
    const leave = this.#admission.take(origin)
    if (leave === undefined) socket.destroy()
    else socket.once('close', leave)
  }

  /** A connection whose first byte is known. */
  #enter(socket: Socket, lane: Lane): void {
    this.#sockets.set(socket, lane)
    if (lane === this.#plain) this.#admit(socket, lane)
    else lane.open++
    lane.server.emit('connection', socket)
  }

  /** A connection of plain HTTP, which is known as soon as it is there. */
  #admit(socket: Socket, lane: Lane): void {
    lane.open++
    const peer = { ...originOf(socket), encrypted: false }
    register(
      socket,
      new Connection({ peer, site: undefined, terms: undefined, refusal: undefined }),
    )
  }

  #forget(socket: Socket): void {
    const lane = this.#sockets.get(socket)
    this.#sockets.delete(socket)
    if (lane !== undefined) {
      lane.open--
      this.#release(lane)
    }
    if (this.#sockets.size === 0) this.#whenEmpty?.()
  }

  /** A retired lane without connections stops its timers and can be collected. */
  #release(lane: Lane): void {
    if (lane.open > 0 || !this.#retired.delete(lane)) return
    lane.server.close()
  }

  /** HTTP/2 can say that it ends (GOAWAY); HTTP/1.1 says so with its next answer. */
  #sayGoodbye(): void {
    for (const { http2 } of this.#lanes()) http2?.drain()
  }

  #closeIdle(): void {
    this.#state.closingIdle = true
    this.#sayGoodbye()
    for (const [socket, lane] of this.#sockets) {
      if (lane === undefined || isUnused(socket)) socket.destroy()
    }
    for (const socket of this.#secured) {
      if (isUnused(socket) && !speaksHttp2(socket)) socket.destroy()
    }
    for (const lane of this.#lanes()) {
      lane.server.closeIdleConnections()
    }
    // What is left then are handshakes, and nobody is served any more.
    if (this.#secured.size === 0 && this.#plain.open === 0) this.#cut()
  }

  #cut(): void {
    for (const socket of this.#sockets.keys()) socket.destroy()
  }
}

/** Node does not call a connection idle on which no request has begun. */
function isUnused(socket: Socket): boolean {
  return connectionOf(socket)?.used === false
}

function plainServer(dispatcher: Dispatcher): HttpServer {
  const server = createServer(dispatcher.options, dispatcher.listener)
  dispatcher.attach(server)
  return server
}

/** How often connections that have become idle are looked for while a server drains. */
const SWEEP_MS = 25
