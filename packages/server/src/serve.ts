/**
 * The door of this package: a handler and a few switches in, a running server out.
 *
 * @module
 */
import { inspect } from 'node:util'
import { checkOptions } from '@countersign/core'
import { checkAddress, urlHost } from './bind.ts'
import {
  serverSource,
  type ServerSource,
  termsSources,
  wantsHttps,
  withHosts,
} from './context-source.ts'
import { ServerError } from './errors.ts'
import { FetchedLists } from './fetched-lists.ts'
import type { Answerer, Handler } from './handler.ts'
import { resolveHandler } from './handler.ts'
import { resolveLimits } from './limits.ts'
import { observerOf } from './observe/observer-of.ts'
import { SERVE_OPTIONS, type ServeOptions } from './options.ts'
import { redirectToHttps } from './plain-answer.ts'
import { ProxyAllowance } from './proxy-protocol.ts'
import { renewal } from './renewal.ts'
import { checkDuration, openServer, type Server } from './server.ts'
import { Site, Sites } from './sites.ts'
import type { Staples } from './staples.ts'
import type { ServerState } from './state.ts'
import { buildTerms } from './terms.ts'
import { TicketKeys } from './ticket-keys.ts'

/**
 * Serves a handler: over HTTP, over HTTPS (`https: true`), or over mutual TLS (`verifyUser: true` as well).
 *
 * ```ts
 * await using server = await serve((request, { peer }) => new Response(`hello ${peer.address}`), {
 *   cert: 'server.crt', key: 'server.key', ca: 'ca.crt', verifyUser: true,
 * })
 * ```
 *
 * @param handler - a fetch handler, an application with `fetch`, or `nodeListener((req, res) => …)`
 * @param given - how; a misspelt option is refused
 * @returns once the port is open
 * @throws {@link ServerError}; TlsError and X509Error for certificates, keys and lists, naming file and fault; CoreError
 * `option-unknown`
 */
export async function serve(handler: Handler, given: ServeOptions = {}): Promise<Server> {
  checkOptions(given, SERVE_OPTIONS, 'serve')
  const options = withHosts(given)
  const { host = '127.0.0.1', port = 0, drainMs = 10_000, clock } = options
  checkAddress(host, port)
  checkDuration(drainMs, 'drainMs')
  const now = clock === undefined ? Date.now : (): number => clock().getTime()
  const { watch = false, onReload, proxyProtocol } = options
  const source = wantsHttps(options) ? serverSource(options, host) : undefined
  const reportError = guarded(options.onError ?? writeError)
  const onHandshakeError = guarded(options.onHandshakeError ?? (() => {}))
  const report = guarded(
    onReload ??
      ((outcome) => {
        if (!outcome.ok) reportError(outcome.error)
      }),
  )
  const onProblem = (error: ServerError): void => report({ ok: false, error })
  await using undo = new AsyncDisposableStack()
  const fetched = undo.use(new FetchedLists(options.crlFetch ?? {}, now, onProblem))
  const sites = source === undefined ? undefined : await buildSites(source, fetched)
  const staples = undo.use(await staplesOf(options, sites, now, onProblem))
  const observer = await observerOf(options, reportError)
  const state: ServerState = {
    draining: false,
    closingIdle: false,
    sites,
    fetched,
    staples,
    limits: resolveLimits(options.limits),
    tickets: new TicketKeys(options.tickets ?? {}, now),
    http2: options.http2 ?? false,
    now,
    observer,
    renewTrust: options.renewTrust && renewal(options.renewTrust, reportError),
    reportError,
    reportHandshake: (failure) => {
      observer.refused(failure)
      onHandshakeError(failure)
    },
  }
  const answerers = {
    main: await answererOf(state, handler, 'serve', host),
    plain:
      options.plain === undefined
        ? { listener: redirectToHttps, takesEndedRequests: true }
        : await answererOf(state, options.plain, 'serve: plain', host),
  }
  const server = await openServer({
    state,
    answerers,
    source,
    address: { host, port, socket: options.socket, connections: options.connections },
    drainMs,
    proxies: proxyProtocol && new ProxyAllowance(proxyProtocol),
    watch: watch === false ? undefined : watch === true ? {} : watch,
    onReload: report,
  })
  undo.move()
  return server
}

/** The staples of a server that sends any, each asked for before the port opens. */
async function staplesOf(
  { staple = false }: ServeOptions,
  sites: Sites | undefined,
  now: () => number,
  onProblem: (problem: ServerError) => void,
): Promise<Staples | undefined> {
  if (staple === false || sites === undefined) return undefined
  const { Staples } = await import('./staples.ts')
  const staples = new Staples(staple === true ? {} : staple, now, onProblem)
  await staples.follow([...sites].map(({ terms }) => terms.context))
  return staples
}

async function buildSites(source: ServerSource, fetched: FetchedLists): Promise<Sites> {
  const [main, ...hosts] = termsSources(source)
  if (main === undefined) throw new ServerError('option-invalid', 'a server has a site')
  const built: Site[] = []
  for (const host of hosts) built.push(new Site(host.pattern, await buildTerms(host, fetched)))
  return new Sites(new Site(undefined, await buildTerms(main, fetched)), built)
}

async function answererOf(
  state: ServerState,
  handler: Handler,
  where: string,
  host: string,
): Promise<Answerer> {
  const resolved = resolveHandler(handler, where)
  if (resolved.kind === 'listener') {
    const { listener, isProxy } = resolved
    return { listener, takesEndedRequests: isProxy, takesUpgrades: isProxy }
  }
  // Most servers of folders and listeners never need it, and start sooner without.
  const { createFetchListener } = await import('./fetch-listener.ts')
  const listener = await createFetchListener(state, resolved.fetch, urlHost(host))
  return { listener, takesEndedRequests: true }
}

/** A callback of the caller's, which must not take the server down. */
function guarded<Arguments extends unknown[]>(
  callback: (...values: Arguments) => void,
): (...values: Arguments) => void {
  return (...values) => {
    try {
      callback(...values)
    } catch (error) {
      writeError(error)
    }
  }
}

function writeError(error: unknown): void {
  process.stderr.write(`${inspect(error)}\n`)
}
