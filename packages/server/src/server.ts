/**
 * A running server.
 *
 * @module
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { checkOptions } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { type Address, bind, type BoundAddress, urlHost } from './bind.ts'
import { mergeSources, type ServerSource, termsSources } from './context-source.ts'
import { ServerError } from './errors.ts'
import type { FetchedLists } from './fetched-lists.ts'
import { type Answerers, Lanes } from './lanes.ts'
import { RELOAD_OPTIONS, type ReloadOptions } from './options.ts'
import type { ProxyAllowance } from './proxy-protocol.ts'
import { checkNext } from './reload-check.ts'
import { changeOf, type Reloaded, RELOADED_PARTS, type SiteChange } from './reloaded.ts'
import { Site, type Sites, type Terms } from './sites.ts'
import type { ServerState } from './state.ts'
import { buildTerms, withFetchedLists } from './terms.ts'
import { FileWatch } from './watch.ts'
import type { ReloadOutcome, WatchOptions } from './watch-options.ts'

/** How {@link Server.close} closes. */
export interface CloseOptions {
  /** How long answers that are under way may take; 0 cuts them at once. @defaultValue `drainMs` of serve: 10000 */
  timeoutMs?: number | undefined
  /**
   * How long connections that have nothing to answer stay open for a request that is already on its way: its answer then says
   * `Connection: close`, where the connection alone would have been reset. @defaultValue 0
   */
  idleGraceMs?: number | undefined
  /** Cuts what is still open when it aborts. */
  signal?: AbortSignal | undefined
}

/** What a server is made of; `serve` makes it. */
export interface ServerParts {
  readonly state: ServerState
  readonly answerers: Answerers
  readonly source: ServerSource | undefined
  readonly address: Address
  readonly drainMs: number
  readonly proxies: ProxyAllowance | undefined
  /** `undefined` where the files are not followed. */
  readonly watch: WatchOptions | undefined
  /** Never throws. */
  readonly onReload: (outcome: ReloadOutcome) => void
}

/**
 * Opens the port.
 *
 * @throws {@link ServerError} `port-in-use` and the others of the address
 */
export async function openServer(parts: ServerParts): Promise<Server> {
  const lanes = new Lanes(parts.state, parts.answerers, parts.proxies)
  try {
    const bound = await bind(lanes.front, parts.address)
    return new Server(parts, lanes, bound)
  } catch (error) {
    await lanes.drain(0, undefined)
    await parts.state.observer.close()
    throw error
  }
}

/** A running server; `await using server = await serve(…)` closes it at the end of the block. */
export class Server implements AsyncDisposable {
  readonly host: string
  readonly port: number
  /** Without a slash at its end: `https://127.0.0.1:8443`. */
  readonly url: string
  readonly #state: ServerState
  readonly #lanes: Lanes
  readonly #drainMs: number
  readonly #watch: FileWatch | undefined
  readonly #onReload: ServerParts['onReload']
  #source: ServerSource | undefined
  /** One reload after the other: each builds on what the one before left. */
  #reloading: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  /** Made by `serve`. */
  constructor(parts: ServerParts, lanes: Lanes, { host, port }: BoundAddress) {
    this.host = host
    this.port = port
    const scheme = parts.source === undefined ? 'http' : 'https'
    this.url = `${scheme}://${urlHost(this.host)}:${port}`
    this.#state = parts.state
    this.#lanes = lanes
    this.#drainMs = parts.drainMs
    this.#source = parts.source
    this.#onReload = parts.onReload
    const { sites, now, observer } = parts.state
    observer.attach({ sites, now, connections: () => lanes.connections })
    this.#watch =
      parts.watch &&
      new FileWatch({
        options: parts.watch,
        sources: () => (this.#source === undefined ? [] : termsSources(this.#source)),
        others: () => (this.#source?.hostsFile === undefined ? [] : [this.#source.hostsFile.file]),
        reload: () => this.reload(),
        report: parts.onReload,
      })
    parts.state.fetched.start(() => void this.#takeFetched())
  }

  /** The certificate of the server; `undefined` on plain HTTP. */
  get certificate(): Certificate | undefined {
    return this.#state.sites?.main.terms.context.certificate
  }

  /** PEM of the authority that `adhoc` made: what clients must trust. */
  get adhocRoots(): string | undefined {
    return this.#source?.main.adhoc?.root.pem
  }

  /**
   * Serves with another certificate, other authorities, revocation lists or hosts from now on. What is left out stays; paths
   * are read again, so that `reload()` takes up files that were replaced.
   *
   * Everything is checked first and swapped as one: after an error the server goes on as before. A certificate is refused too that
   * lacks the issuer or every name of the one before, or has a defect that one has not. Open connections stay open; where the trust
   * changed, sessions are not resumed, and each client certificate is judged anew at its next request.
   *
   * @throws TlsError or X509Error naming the file and the fault; {@link ServerError} `not-https`, `server-closed`,
   * `option-conflict`, `host-not-covered`, `reload-refused`; CoreError `option-unknown`
   */
  async reload(given: ReloadOptions = {}): Promise<Reloaded> {
    checkOptions(given, RELOAD_OPTIONS, 'reload')
    const turn = this.#reloading.then(() => this.#reload(given))
    const { observer } = this.#state
    this.#reloading = turn.then(
      () => observer.reloaded(true),
      () => observer.reloaded(false),
    )
    return await turn
  }

  /** Opens the file of the access log again, after it was moved away: what rotates logs sends SIGHUP for it. */
  async reopenAccessLog(): Promise<void> {
    await this.#state.observer.reopen()
  }

  /** Looks at the files now, where `watch` follows them, and resolves once what has changed is in force or reported. */
  async checkFiles(): Promise<void> {
    await this.#watch?.check()
  }

  /** Asks now for every revocation list that is fetched and every staple, and resolves once what is new is in force or reported. */
  async refresh(): Promise<void> {
    await Promise.all([this.#state.fetched.refresh(), this.#state.staples?.refresh()])
    await this.#reloading
  }

  async #reload(given: ReloadOptions): Promise<Reloaded> {
    this.#refuseClosed()
    const { sites } = this.#state
    if (this.#source === undefined || sites === undefined) {
      throw new ServerError('not-https', 'a server of plain HTTP has nothing to reload', {
        hint: 'serve with https: true',
      })
    }
    const source = mergeSources(this.#source, given)
    const isSame = sameHosts(this.#source, source)
    const next = await nextTerms(source, sites, { given, isSame }, this.#state.fetched)
    // Lists take their time: it may have been closed meanwhile.
    this.#refuseClosed()
    const reloaded = this.#swap(sites, next, { given, isSame })
    this.#source = source
    await this.#state.staples?.follow([...sites].map(({ terms }) => terms.context))
    return reloaded
  }

  /** Another list was fetched: of the rest nothing is read again. */
  async #takeFetched(): Promise<void> {
    const before = this.#reloading
    const turn = async (): Promise<void> => {
      await before
      try {
        const reloaded = this.#swapFetched()
        if (reloaded.changed.length > 0) this.#onReload({ ok: true, reloaded })
      } catch (error) {
        this.#onReload({ ok: false, error })
      }
    }
    this.#reloading = turn()
    await this.#reloading
  }

  #swapFetched(): Reloaded {
    const { sites, fetched } = this.#state
    const next = new Map<Site, Terms>()
    if (this.#closing !== undefined || this.#source === undefined || sites === undefined) {
      return { changed: [], certificate: this.certificate, sites: [] }
    }
    const sources = new Map(termsSources(this.#source).map((one) => [one.pattern, one]))
    for (const site of sites) {
      const source = sources.get(site.pattern)
      const terms = source && withFetchedLists(site.terms, source, fetched)
      next.set(site, terms ?? site.terms)
    }
    return this.#swap(sites, next, { given: {}, isSame: () => true })
  }

  #swap(sites: Sites, next: Map<Site, Terms>, what: Reload): Reloaded {
    const changes = changesOf(sites, next, what)
    if (changes.length > 0) {
      const touched = new Set(changes.map(({ host }) => host))
      // What says what it said before keeps its lane, its sessions and what is known of its clients.
      for (const site of next.keys()) if (!touched.has(site.pattern)) next.set(site, site.terms)
      this.#lanes.swap(next)
    }
    return {
      changed: RELOADED_PARTS.filter((part) =>
        changes.some(({ changed }) => changed.includes(part)),
      ),
      certificate: this.certificate,
      sites: changes,
    }
  }

  #refuseClosed(): void {
    if (this.#closing === undefined) return
    throw new ServerError('server-closed', 'the server is closed')
  }

  /**
   * Stops accepting, ends every answer with `Connection: close`, closes idle connections at once and waits for the rest.
   * A second call waits for the first.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkOptions(options, ['timeoutMs', 'idleGraceMs', 'signal'], 'close')
    const timeoutMs = options.timeoutMs ?? this.#drainMs
    checkDuration(timeoutMs, 'timeoutMs')
    const idleGraceMs = options.idleGraceMs ?? 0
    checkDuration(idleGraceMs, 'idleGraceMs')
    this.#closing ??= this.#lanes.drain(timeoutMs, options.signal, idleGraceMs)
    await this.#watch?.close()
    await Promise.all([this.#state.fetched.close(), this.#state.staples?.close()])
    await this.#closing
    await this.#state.observer.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * Refuses what `setTimeout` would turn into something else.
 *
 * @throws {@link ServerError} `option-invalid`
 */
export function checkDuration(milliseconds: number, option: string): void {
  if (Number.isInteger(milliseconds) && milliseconds >= 0 && milliseconds <= 0x7fff_ffff) return
  throw new ServerError('option-invalid', `${option} must be a whole number of milliseconds`, {
    option,
  })
}

/** A reload: what it was given, and of which hosts the options are what they were. */
interface Reload {
  readonly given: ReloadOptions
  readonly isSame: (pattern: string | undefined) => boolean
}

function sameHosts(before: ServerSource, next: ServerSource): Reload['isSame'] {
  return (pattern = '') => before.hosts.get(pattern) === next.hosts.get(pattern)
}

/** The terms of every site there will be; the sites are those there are, as far as they stay. */
async function nextTerms(
  source: ServerSource,
  sites: Sites,
  { given, isSame }: Reload,
  fetched: FetchedLists,
): Promise<Map<Site, Terms>> {
  const known = new Map([...sites].map((site) => [site.pattern, site]))
  const next = new Map<Site, Terms>()
  for (const one of termsSources(source)) {
    const terms = await buildTerms(one, fetched)
    const site = known.get(one.pattern)
    if (site !== undefined) {
      await nextTurn()
      const fromFiles =
        site === sites.main
          ? given.cert === undefined && given.pfx === undefined && given.context === undefined
          : isSame(site.pattern)
      checkNext(site.terms.context, terms.context, fromFiles)
    }
    next.set(site ?? new Site(one.pattern, terms), terms)
  }
  return next
}

function changesOf(
  sites: Sites,
  next: ReadonlyMap<Site, Terms>,
  { given, isSame }: Reload,
): SiteChange[] {
  const before = new Set(sites)
  const after = [...next].map(([site, terms]) => {
    const old = before.has(site) ? site.terms : undefined
    const otherContext =
      site === sites.main
        ? given.context !== undefined && given.context !== old?.context
        : !isSame(site.pattern)
    return changeOf(site.pattern, old, terms, otherContext)
  })
  const removed = [...before]
    .filter((site) => !next.has(site))
    .map((site) => changeOf(site.pattern, site.terms, undefined, false))
  return [...after, ...removed].filter((change) => change !== undefined)
}
