/**
 * Connections kept for the next call, one pool for every (origin, trust, identity, verify mode).
 *
 * A socket that was opened without verification, under another set of roots or with another client certificate is in
 * another pool, so no call can come to use it by accident.
 *
 * @module
 */
import { Client, type Dispatcher, Pool } from 'undici'
import type { HttpVersion } from './admission.ts'
import { ConnectFailure, type Destination, type Link, type Opening, Resumption } from './connect.ts'
import { isHeard, publish } from './events.ts'
import { Exchange, type LinkHolder } from './exchange.ts'
import type { Security } from './security.ts'
import { openThrough, type Way } from './tunnel.ts'
import { hostOf, portOf } from './url.ts'

/** Where a request goes and how. */
export interface Route {
  readonly url: URL
  /** Absent over plain HTTP. */
  readonly security: (Security & { readonly id: string }) | undefined
  readonly http: HttpVersion
  readonly connectTimeoutMs: number
  readonly tlsTimeoutMs: number
  /** A Unix socket to connect to instead of the host of the URL. */
  readonly socketPath: string | undefined
  /** Through what it goes; absent: straight to the host of the URL. */
  readonly way: Way | undefined
}

/** What the transport sends. */
export type Outgoing = Dispatcher.DispatchOptions

/** The pools of one session. */
export class ConnectionPools {
  readonly #entries = new Map<string, PoolEntry>()
  readonly #maxConnections: number
  #closed: Error | undefined
  /** The pool that was asked for last. */
  #last: { readonly origin: string; readonly route: Route; readonly entry: PoolEntry } | undefined

  constructor(maxConnections: number) {
    this.#maxConnections = maxConnections
  }

  /** Closes every connection; what is still under way fails with `reason`. */
  async close(reason: Error): Promise<void> {
    this.#closed ??= reason
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    this.#last = undefined
    await Promise.all(entries.map((entry) => entry.destroy(reason)))
  }

  /**
   * Nothing more is sent over the connections of a security that was replaced. What is on its way comes to its end; what was
   * still waiting fails with {@link Retired}, and goes out again over another.
   *
   * @param id - of the {@link NamedSecurity}
   */
  retire(id: string): void {
    // A Map may lose entries while it is walked.
    for (const entry of this.#entries.values()) if (entry.securityId === id) entry.retire()
  }

  /**
   * The pool of a route.
   *
   * @throws the reason of {@link close}: a call that was between two hops or tries opens nothing any more
   */
  entryFor(route: Route): PoolEntry {
    if (this.#closed !== undefined) throw this.#closed
    const { url, security, http, connectTimeoutMs, tlsTimeoutMs, socketPath = '', way } = route
    const { origin } = url
    const last = this.#last
    // One call after the other mostly goes the same way: comparing costs less than making a key.
    if (
      last !== undefined &&
      last.origin === origin &&
      last.route.security === security &&
      last.route.http === http &&
      last.route.connectTimeoutMs === connectTimeoutMs &&
      last.route.tlsTimeoutMs === tlsTimeoutMs &&
      last.route.socketPath === route.socketPath &&
      last.route.way?.id === way?.id
    ) {
      return last.entry
    }
    const secured = security === undefined ? '' : `${security.id} ${security.verified}`
    const key = `${origin} ${http} ${connectTimeoutMs} ${tlsTimeoutMs} ${secured} ${way?.id ?? ''} ${socketPath}`
    const known = this.#entries.get(key)
    if (known !== undefined) {
      this.#last = { origin, route, entry: known }
      return known
    }
    const destination: Destination = {
      host: hostOf(url),
      port: portOf(url),
      socketPath: route.socketPath,
      connectTimeoutMs,
      tlsTimeoutMs,
      security,
      http,
    }
    const to = { destination, way, securityId: security?.id }
    const entry = new PoolEntry(origin, to, this.#maxConnections, () => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
      if (this.#last?.entry === entry) this.#last = undefined
    })
    this.#entries.set(key, entry)
    return entry
  }
}

/** One pool, and what is under way on it. */
export class PoolEntry {
  /** What its connections were verified by. */
  readonly securityId: string | undefined
  readonly #pool: Pool
  readonly #connecting = new Set<Opening>()
  readonly #forget: () => void
  readonly #direct: boolean
  #active = 0
  #connected = 0
  /** Connections whose answer came in during this turn of the event loop. */
  #resting = 0
  #waiting: { readonly outgoing: Outgoing; readonly exchange: Exchange }[] = []
  /** Whether one connection carries many requests at once. */
  #multiplexed = false
  readonly #life: PoolLife = { retired: false, retire: () => this.retire() }

  constructor(origin: string, to: Connectable, connections: number, forget: () => void) {
    const resumption = new Resumption()
    const connecting = this.#connecting
    const life = this.#life
    this.#forget = forget
    this.securityId = to.securityId
    this.#direct = to.way === undefined
    this.#pool = new Pool(origin, {
      ...POOL_OPTIONS,
      // Then the first connection finds out what the server speaks before others are opened.
      allowH2: to.destination.http !== '1.1',
      connections,
      factory: (url) => new LinkedClient(url, to, { resumption, connecting, life }),
    })
    // A pool without connections is forgotten, or a crawl over many hosts would keep one for each.
    const onIdle = (): void => {
      if (this.#active === 0 && this.#connected === 0) this.#retire()
    }
    this.#pool.on('connect', (_origin, targets) => {
      this.#connected++
      const client = targets.at(-1)
      if (client instanceof LinkedClient) this.#multiplexed = client.link?.peer.http === '2'
    })
    this.#pool.on('disconnect', () => {
      this.#connected--
      onIdle()
    })
    this.#pool.on('connectionError', onIdle)
  }

  send(outgoing: Outgoing, exchange: Exchange): void {
    const waiting = this.#waiting
    const free = this.#connected - (this.#active - waiting.length) - this.#resting
    this.#active++
    if (free <= 0 && waiting.length < this.#resting && !this.#multiplexed) {
      waiting.push({ outgoing, exchange })
    } else this.#pool.dispatch(outgoing, exchange)
  }

  /** Called once for every {@link send}, when its exchange is over. */
  release(): void {
    this.#active--
    // The transport gives a connection free one turn of the event loop after its answer. Whoever asks before would open
    // another one: a loop of single calls would use two, and a steady load twice what it needs.
    this.#resting++
    queueMicrotask(this.#rest)
    // Nobody waits any more for what is still connecting: without this a process would live on until the system gives up.
    if (this.#active === 0) for (const socket of this.#connecting) socket.destroy()
  }

  /** From the microtask queue, so that it comes after what the transport has planned for the same turn. */
  readonly #rest = (): void => {
    setImmediate(this.#wake)
  }

  readonly #wake = (): void => {
    this.#resting--
    const next = this.#waiting.shift()
    if (next !== undefined) this.#pool.dispatch(next.outgoing, next.exchange)
  }

  /** See {@link ConnectionPools.retire}. */
  retire(): void {
    this.#life.retired = true
    this.#forget()
    for (const { exchange } of this.#waiting.splice(0))
      exchange.onResponseError(null, new Retired())
    // Through a proxy it ends by itself: its request is turned away when it is done.
    if (this.#direct) for (const opening of this.#connecting) opening.destroy(new Retired())
    if (!this.#pool.closed && !this.#pool.destroyed) this.#pool.close(() => {})
  }

  async destroy(reason: Error): Promise<void> {
    this.#forget()
    const closed = this.#pool.destroyed ? undefined : this.#pool.destroy(reason)
    for (const socket of this.#connecting) socket.destroy()
    await closed
  }

  #retire(): void {
    this.#forget()
    for (const socket of this.#connecting) socket.destroy()
    if (!this.#pool.closed && !this.#pool.destroyed) this.#pool.close(() => {})
  }
}

/** The trust that a connection was made under was replaced before a request went out: it goes out over another. */
class Retired extends Error {
  constructor() {
    super('the trust of this connection was replaced')
  }
}

/** Whether a request failed only because its pool was retired; then nothing of it was sent. */
export function isRetired(error: unknown): boolean {
  return (
    error instanceof Retired || (error instanceof ConnectFailure && error.cause instanceof Retired)
  )
}

/** What a pool connects to, and through what. */
interface Connectable {
  readonly destination: Destination
  readonly way: Way | undefined
  readonly securityId: string | undefined
}

/** What the connections of a pool share. */
interface PoolParts {
  readonly resumption: Resumption
  readonly connecting: Set<Opening>
  readonly life: PoolLife
}

interface PoolLife {
  retired: boolean
  retire(): void
}

/** A connection of a pool that tells each exchange which socket it went out on. */
class LinkedClient extends Client implements LinkHolder {
  link: Link | undefined
  readonly #life: PoolLife

  constructor(url: URL, to: Connectable, { resumption, connecting, life }: PoolParts) {
    super(url, {
      ...CLIENT_OPTIONS,
      connect: (_options, callback) => {
        const opening = openThrough(to.way, to.destination, resumption, (failure, opened) => {
          connecting.delete(opening)
          if (opened === undefined) {
            callback(failure ?? new Error('no connection'), null)
            return
          }
          this.link = opened.link
          if (isHeard('connect')) {
            publish('connect', {
              origin: url.origin,
              proxy: to.way?.shown,
              address: opened.link.peer.address,
              protocol: opened.link.peer.protocol,
              times: opened.link.times,
            })
          }
          callback(null, opened.socket)
        })
        connecting.add(opening)
      },
    })
    this.#life = life
  }

  override dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    if (handler instanceof Exchange) {
      // One that is new may be used: its handshake asked a moment ago.
      const { link } = this
      if (link !== undefined && link.answers > 0 && link.goodUntil < Date.now()) this.#life.retire()
      if (this.#life.retired) {
        handler.onResponseError(null, new Retired())
        return true
      }
      handler.connection = this
    }
    return super.dispatch(options, handler)
  }
}

// The time-outs of the transport are off: one clock runs over the whole call, redirects and body included.
const CLIENT_OPTIONS = {
  allowH2: false,
  pipelining: 1,
  keepAliveTimeout: 4_000,
  headersTimeout: 0,
  bodyTimeout: 0,
  maxHeaderSize: 64 * 1024,
} as const

const POOL_OPTIONS = { ...CLIENT_OPTIONS } as const
