/**
 * The door of the proxy: upstreams and a few switches in, a handler for `serve` out.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { checkOptions, errorMessage, type Problem } from '@countersign/core'
import { type LiveValue, type TlsContext, watchContext } from '@countersign/tls'
import { addressList } from '../address-list.ts'
import { answerProblem } from '../answer-problem.ts'
import { connectionOf } from '../connection.ts'
import { ServerError } from '../errors.ts'
import { NodeListener } from '../handler.ts'
import { endConnection, isHttp2 } from '../http2-request.ts'
import type { Peer } from '../peer.ts'
import { DEFAULT_HIDDEN } from './answer-head.ts'
import { ClientCertificates } from './client-certificate.ts'
import { isCrossSite } from './cross-site.ts'
import { Deadlines } from './deadlines.ts'
import { Exchange, type ExchangeTerms } from './exchange.ts'
import { Forwarding, type RequestOrigin } from './forwarded.ts'
import { DEFAULT_STRIPPED, HeaderKinds } from './header-kinds.ts'
import { HealthCheck } from './health.ts'
import { type Caller, checkLogin, type Credentials, LoginGate, type LoginOptions } from './login.ts'
import {
  checkChoice,
  checkNumber,
  PROXY_OPTIONS,
  type ProxyEvent,
  type ProxyOptions,
  resolveProxyLimits,
} from './options.ts'
import { CROSS_SITE, UPSTREAM_PROBLEMS } from './problems.ts'
import { RateLimit } from './rate-limit.ts'
import { type HeadRules, readHead, type RequestHead } from './request-head.ts'
import { Upstream } from './upstream.ts'
import { upstreamHeaders } from './upstream-head.ts'
import { parseUpstream, type UpstreamTarget } from './upstream-url.ts'
import { Upstreams } from './upstreams.ts'

/** A handler that passes requests on; made by {@link proxyTo}. */
export class ProxyHandler extends NodeListener implements AsyncDisposable {
  readonly #close: () => Promise<void>

  /** Made by {@link proxyTo}. */
  constructor(
    listener: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
    close: () => Promise<void>,
  ) {
    super(listener, true)
    this.#close = close
  }

  /** Stops asking after the upstreams' health and following files, and closes connections that nobody uses. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }
}

/**
 * Passes requests on to an application: streamed both ways, WebSocket too, with the client's address and certificate told in
 * headers that nobody else can set.
 *
 * ```ts
 * await using proxy = proxyTo('http://127.0.0.1:5000', { rateLimit: { requests: 20 } })
 * await using server = await serve(proxy, { cert: 'server.crt', key: 'server.key', ca: 'ca.crt', verifyUser: true })
 * ```
 *
 * @param upstream - `http:`, `https:` (always verified) or `unix:/path.sock`; one, or several to share the work
 * @throws {@link ServerError} `option-invalid`, `option-conflict`; TlsError and X509Error for authorities, certificate and key;
 * CoreError `option-unknown`
 */
export function proxyTo(
  upstream: string | readonly string[],
  options: ProxyOptions = {},
): ProxyHandler {
  checkOptions(options, PROXY_OPTIONS, 'proxyTo')
  const parts = buildParts(upstream, options)
  return new ProxyHandler(
    (incoming, outgoing) => passOn(parts, incoming, outgoing),
    async () => {
      parts.health?.stop()
      for (const one of parts.all) one.renew()
      for (const context of parts.contexts) await context[Symbol.asyncDispose]()
    },
  )
}

interface ProxyParts {
  readonly all: readonly Upstream[]
  readonly contexts: readonly LiveValue<TlsContext>[]
  readonly terms: ExchangeTerms
  readonly reading: HeadRules
  readonly forwarding: Forwarding
  readonly certificates: ClientCertificates
  readonly rateLimit: RateLimit | undefined
  readonly login: LoginGate | undefined
  readonly health: HealthCheck | undefined
  readonly keepsHost: boolean
  readonly via: string | undefined
}

/** The way of one request. */
function passOn(parts: ProxyParts, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const peer = connectionOf(incoming.socket)?.peer
  if (peer === undefined) {
    outgoing.destroy()
    return
  }
  const read = readHead(incoming, parts.reading)
  if ('refusal' in read) {
    // Whatever follows on this connection was sent by the same.
    if (!isHttp2(incoming)) endConnection(outgoing)
    answerProblem(outgoing, read.refusal)
    return
  }
  const { head } = read
  if (head.isLast) endConnection(outgoing)
  const origin = parts.forwarding.originOf(peer, head)
  const limited = parts.rateLimit?.take(origin.address, performance.now())
  if (limited instanceof Promise) {
    void admitLater(parts, { incoming, outgoing, head, origin, peer }, limited)
  } else admit(parts, { incoming, outgoing, head, origin, peer }, limited)
}

interface Arrival {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly head: RequestHead
  readonly origin: RequestOrigin
  readonly peer: Peer
}

async function admitLater(
  parts: ProxyParts,
  arrival: Arrival,
  limited: Promise<Problem | undefined>,
): Promise<void> {
  const refused = await limited
  if (!arrival.outgoing.destroyed) admit(parts, arrival, refused)
}

/** What comes after its address was counted. */
function admit(parts: ProxyParts, arrival: Arrival, refused: Problem | undefined): void {
  const { incoming, outgoing, head, origin, peer } = arrival
  if (refused !== undefined) {
    answerProblem(outgoing, refused)
    return
  }
  const start = (caller?: Caller, credentials?: Credentials): void => {
    const passes = parts.login === undefined || parts.login.settings.passCredentials
    const headersFor = (upstream: Upstream): string[] =>
      upstreamHeaders(head, {
        host: parts.keepsHost ? head.host : upstream.target.hostHeader,
        origin,
        writeCertificate: (headers) => {
          parts.certificates.write(headers, incoming, peer, head)
        },
        caller,
        cookie: passes ? head.cookie : credentials?.otherCookies,
        authorization: passes ? head.authorization : undefined,
        via: parts.via,
        httpVersion: incoming.httpVersion,
      })
    new Exchange(parts.terms, { incoming, outgoing, head, headersFor }).start()
  }
  if (parts.login === undefined) start()
  else void admitCaller(parts.login, { parts, incoming, outgoing, head, origin, start })
}

interface Admission {
  readonly parts: ProxyParts
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly head: RequestHead
  readonly origin: RequestOrigin
  readonly start: (caller: Caller, credentials: Credentials) => void
}

/** Asks who sends a request. Never rejects. */
async function admitCaller(gate: LoginGate, admission: Admission): Promise<void> {
  const { parts, incoming, outgoing, head, origin, start } = admission
  const credentials = gate.credentialsOf(head)
  if (credentials.cookie !== undefined && isCrossSite(incoming.headers, head, origin.host)) {
    answerProblem(outgoing, CROSS_SITE)
    return
  }
  const answer = await gate.ask(credentials)
  if (outgoing.destroyed) return
  if (answer.kind === 'caller') {
    start(answer.caller, credentials)
    return
  }
  if (answer.kind === 'unavailable') {
    parts.terms.report('login-unavailable', gate.settings.upstream, answer.cause)
    answerProblem(outgoing, UPSTREAM_PROBLEMS['login-unavailable'])
    return
  }
  const { page } = gate.settings
  if (answer.status === 401 && page !== undefined && isNavigation(incoming, head)) {
    outgoing.writeHead(303, { location: page, 'content-length': 0, 'cache-control': 'no-store' })
    outgoing.end()
    return
  }
  outgoing.writeHead(answer.status, { ...answer.headers, 'content-length': answer.body.length })
  outgoing.end(head.method === 'HEAD' ? undefined : answer.body)
}

/** Whether somebody has typed the address or followed a link, and not a page's script asks. */
function isNavigation({ headers }: IncomingMessage, { method, isUpgrade }: RequestHead): boolean {
  const mode = headers['sec-fetch-mode']
  if (method !== 'GET' || isUpgrade) return false
  return (
    mode === 'navigate' || (mode === undefined && headers.accept?.includes('text/html') === true)
  )
}

function buildParts(given: string | readonly string[], options: ProxyOptions): ProxyParts {
  const { host = 'keep', via, balance = 'round-robin', failures = 3, ejectMs = 10_000 } = options
  checkChoice('host', host, ['keep', 'upstream'])
  checkChoice('balance', balance, ['round-robin', 'least-busy'])
  checkNumber('failures', failures, 1)
  checkNumber('ejectMs', ejectMs, 1)
  const { forwardedHeader = 'x-forwarded-for', trustForwarded } = options
  checkChoice('forwardedHeader', forwardedHeader, ['x-forwarded-for', 'forwarded'])
  if (via !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(via)) {
    throw new ServerError('option-invalid', `via: ${JSON.stringify(via)} is no name`, {
      option: 'via',
    })
  }
  const limits = resolveProxyLimits(options.limits)
  const health = typeof options.health === 'string' ? { path: options.health } : options.health
  if (health !== undefined) checkHealth(health)
  const login = options.login && checkLogin(options.login)
  const kinds = new HeaderKinds(options.stripHeaders ?? DEFAULT_STRIPPED)
  const certificates = new ClientCertificates(options.trustClientCertFrom ?? [])
  const rateLimit = options.rateLimit && new RateLimit(options.rateLimit)
  const trusted = trustForwarded && addressList(trustForwarded, 'trustForwarded')
  const targets = targetsOf(given)
  const contexts: LiveValue<TlsContext>[] = []
  const all: Upstream[] = []
  const renewAll = (): void => {
    for (const one of all) one.renew()
  }
  const context = contextOf(targets, options, contexts, renewAll)
  for (const target of targets) {
    all.push(new Upstream(target, { context, headerBytes: limits.headerBytes }))
  }
  const deadlines = new Deadlines(
    Math.min(
      limits.connectMs,
      limits.headersMs,
      limits.idleMs,
      login?.timeoutMs ?? limits.idleMs,
      health?.timeoutMs ?? limits.idleMs,
    ),
  )
  const upstreams = new Upstreams(all, {
    balance,
    failures,
    ejectMs,
    connections: limits.connections,
  })
  const tell = (event: ProxyEvent): void => {
    try {
      options.onEvent?.(event)
    } catch (error) {
      // A callback of the caller's, which must not take requests down with it.
      process.emitWarning(error instanceof Error ? error : String(error))
    }
  }
  return {
    all,
    contexts,
    terms: {
      upstreams,
      deadlines,
      limits,
      kinds,
      rules: {
        hidden: new Set((options.hideHeaders ?? DEFAULT_HIDDEN).map((name) => name.toLowerCase())),
        via,
      },
      onEjected: ({ target: { label } }) => {
        const message = `${label}: ${failures} failures in a row, left in peace for ${ejectMs} ms`
        tell({ code: 'upstream-ejected', upstream: label, message, cause: undefined })
      },
      report: (code, upstream, cause) => {
        const label = upstream?.target.label
        const why = cause === undefined ? code : errorMessage(cause)
        tell({ code, upstream: label, message: `${label ?? 'every upstream'}: ${why}`, cause })
      },
    },
    reading: {
      kinds,
      mostHeaders: limits.headers,
      defaultHost: targets[0]?.hostHeader ?? 'localhost',
    },
    forwarding: new Forwarding(trusted, forwardedHeader),
    certificates,
    rateLimit,
    login: options.login && login && loginGate(options.login, login, deadlines, contexts),
    health:
      health &&
      new HealthCheck(all, health, deadlines, ({ isHealthy, target: { label } }, why) => {
        const code = isHealthy ? 'upstream-well' : 'upstream-ill'
        tell({ code, upstream: label, message: `${label}: ${why}`, cause: undefined })
      }),
    keepsHost: host === 'keep',
    via,
  }
}

function targetsOf(given: string | readonly string[]): UpstreamTarget[] {
  const list = typeof given === 'string' ? [given] : given
  if (!Array.isArray(list) || list.length === 0 || list.length > MOST_UPSTREAMS) {
    throw new ServerError('option-invalid', `proxyTo wants 1 to ${MOST_UPSTREAMS} upstreams`, {
      option: 'upstream',
    })
  }
  return list.map((text) => parseUpstream(String(text), 'upstream'))
}

/** The context for `https:` upstreams; options that would be without effect are refused. */
function contextOf(
  targets: readonly UpstreamTarget[],
  { ca, cert, key, passphrase, context }: ProxyOptions,
  contexts: LiveValue<TlsContext>[],
  onChange: () => void,
): (() => TlsContext) | undefined {
  const given = { ca, cert, key, passphrase, context }
  const named = Object.entries(given).find(([, value]) => value !== undefined)?.[0]
  if (!targets.some(({ secure }) => secure)) {
    if (named === undefined) return undefined
    throw new ServerError('option-conflict', `${named} is given, and no upstream speaks https`, {
      option: named,
      hint: 'write https:// in the address of the upstream, or leave it out',
    })
  }
  if (context !== undefined) {
    if (ca !== undefined || cert !== undefined || key !== undefined) {
      throw new ServerError('option-conflict', 'a context is given beside what it is made of', {
        option: 'context',
        hint: 'pass one of them',
      })
    }
    return () => context
  }
  const live = watchContext({ ca, cert, key, passphrase, onChange })
  contexts.push(live)
  return () => live.current
}

function loginGate(
  { url, ca, cert, key, passCredentials = false }: LoginOptions,
  checked: ReturnType<typeof checkLogin>,
  deadlines: Deadlines,
  contexts: LiveValue<TlsContext>[],
): LoginGate {
  const target = parseUpstream(url, 'login.url')
  if (!target.secure) {
    throw new ServerError('option-invalid', 'login.url must be https: credentials are sent there', {
      option: 'login.url',
      hint: 'write https://localhost:8443 and pass its root as login.ca (--login-ca)',
    })
  }
  const live = watchContext({ ca, cert, key, onChange: () => upstream.renew() })
  contexts.push(live)
  const upstream: Upstream = new Upstream(target, {
    context: () => live.current,
    headerBytes: 16 * 1024,
  })
  return new LoginGate({ ...checked, upstream, passCredentials }, deadlines)
}

function checkHealth(health: {
  path: string
  everyMs?: number | undefined
  timeoutMs?: number | undefined
  failures?: number | undefined
}): void {
  checkOptions(health, ['path', 'everyMs', 'timeoutMs', 'failures'], 'proxyTo: health')
  if (!/^\/[!"$-~]*$/.test(health.path)) {
    throw new ServerError('option-invalid', `health: ${JSON.stringify(health.path)} is no path`, {
      option: 'health',
      hint: 'write /healthz',
    })
  }
  for (const name of ['everyMs', 'timeoutMs', 'failures'] as const) {
    checkNumber(`health.${name}`, health[name] ?? 1, 1)
  }
}

const MOST_UPSTREAMS = 64
