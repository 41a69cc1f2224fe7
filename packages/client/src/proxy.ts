/**
 * Which proxy a call goes through: the call's, else the session's, else the one the environment names.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { OptionError } from './errors.ts'
import { warnInsecure } from './insecure-warning.ts'
import { isLoopback, NoProxy } from './no-proxy.ts'
import { check } from './option-checks.ts'
import { type NamedSecurity, SessionTrust } from './trust.ts'
import { NO_PLAN, type TrustOptions, trustPlan } from './trust-plan.ts'
import type { Way } from './tunnel.ts'
import { hostOf, portOf } from './url.ts'

/** A proxy, with its own trust and identity: those of the call are for the server behind it. */
export interface ProxyOptions extends TrustOptions {
  /**
   * `http://` and `https://` (CONNECT for https), `socks5://`, or `socks5h://` where the proxy looks host names up.
   * @defaultValue what the environment names
   */
  url?: string | URL | undefined
  /** Who we are to the proxy; may also stand in its URL. @defaultValue nobody */
  auth?: { readonly username: string; readonly password: string } | undefined
  /** Hosts to go to without it, as in `NO_PROXY`. @defaultValue none; for a proxy of the environment `NO_PROXY` */
  noProxy?: string | readonly string[] | undefined
}

/** What a call or a session says: a proxy, its address, or `false` for none, whatever the environment names. */
export type ProxyInput = string | URL | ProxyOptions | false

/** A checked {@link ProxyInput}. */
export interface ProxyChoice {
  /** `false` for none; `undefined` for the environment's. */
  readonly server: ProxyServer | false | undefined
  readonly noProxy: NoProxy | undefined
  readonly trust: SessionTrust
  readonly credentials: Way['credentials']
}

/** The proxies of one session. */
export class SessionProxies {
  readonly #own: ProxyChoice
  readonly #readEnvironment: boolean

  /** @throws {@link OptionError} as {@link proxyChoice} */
  constructor(own: ProxyInput | undefined, readEnvironment: boolean) {
    this.#readEnvironment = readEnvironment
    this.#own = proxyChoice(own, readEnvironment) ?? {
      server: undefined,
      noProxy: undefined,
      trust: new SessionTrust(NO_PLAN, readEnvironment),
      credentials: undefined,
    }
  }

  /**
   * What a call says, checked.
   *
   * @throws {@link OptionError} as {@link proxyChoice}
   */
  choice(input: ProxyInput | undefined): ProxyChoice | undefined {
    return proxyChoice(input, this.#readEnvironment)
  }

  /**
   * The proxy for a URL.
   *
   * @throws {@link OptionError} `proxy-invalid` for a variable that holds no address of a proxy
   */
  wayTo(url: URL, call: ProxyChoice | undefined): Way | undefined {
    const choice = call ?? this.#own
    if (choice.server === false) return undefined
    const server = choice.server ?? (this.#readEnvironment ? serverOfEnvironment(url) : undefined)
    if (server === undefined) return undefined
    if (choice.noProxy?.matches(hostOf(url).toLowerCase(), portOf(url)) === true) return undefined
    const security =
      server.protocol === 'https:'
        ? choice.trust.security(NO_PLAN, `https://${server.host}:${server.port}`, true, false)
        : undefined
    const way = wayOf(server, choice.credentials ?? server.credentials, security)
    if (security?.verified === false) warnInsecure(way.shown)
    return way
  }
}

/**
 * Checks what was said about a proxy.
 *
 * @returns `undefined` where nothing was
 * @throws {@link OptionError} `proxy-invalid` for an address that is none, `option-invalid`, `option-unknown`, `option-conflict`
 */
function proxyChoice(
  input: ProxyInput | undefined,
  readEnvironment: boolean,
): ProxyChoice | undefined {
  if (input === undefined) return undefined
  const options = optionsOf(input)
  if (options === undefined) {
    return { server: false, noProxy: undefined, trust: noTrust, credentials: undefined }
  }
  check(options, PROXY_OPTIONS, 'proxy')
  const { url, auth, noProxy, ...trust } = options
  const server = url === undefined ? undefined : parseProxy(url, 'option proxy')
  if (server?.credentials !== undefined && auth !== undefined) {
    throw new OptionError(
      'option-conflict',
      'proxy: auth and credentials in its URL contradict each other',
    )
  }
  const plan = trustPlan(trust)
  if (plan !== NO_PLAN && server !== undefined && server.protocol !== 'https:') {
    throw new OptionError(
      'option-conflict',
      `proxy: there is nothing to verify at a proxy of ${server.protocol}//`,
      {
        hint: 'write https:// if the proxy speaks TLS; trust in the server behind it stands beside proxy',
      },
    )
  }
  const checked = new SessionTrust(plan, readEnvironment)
  if (plan !== NO_PLAN) checked.readNamed()
  return {
    server,
    noProxy: noProxyOf(noProxy),
    trust: checked,
    credentials: auth === undefined ? undefined : checkedCredentials(auth, 'option proxy'),
  }
}

/** A proxy as its URL names it. */
interface ProxyServer {
  readonly protocol: Way['protocol']
  readonly host: string
  readonly port: number
  readonly credentials: Way['credentials']
}

function optionsOf(input: ProxyInput): ProxyOptions | undefined {
  if (input === false) return undefined
  if (typeof input === 'string' || input instanceof URL) return { url: input }
  if (typeof input === 'object' && input !== null) return input
  throw new OptionError('option-invalid', 'proxy must be a URL, { url, ... } or false')
}

/** Never quotes what it was given: it may hold a password. */
function parseProxy(text: string | URL, where: string): ProxyServer {
  const refuse = (fault: string): OptionError =>
    new OptionError('proxy-invalid', `${where} ${fault}`, {
      hint: 'write it as http://HOST:PORT, https://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT',
    })
  if (typeof text !== 'string' && !(text instanceof URL)) throw refuse('is not a URL')
  const given = String(text)
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`)
  if (url === null || url.hostname === '') throw refuse('is not the URL of a proxy')
  const { protocol } = url
  if (!isProxyProtocol(protocol)) throw refuse(`has the scheme "${protocol}"`)
  if (url.pathname.length > 1 || url.search !== '' || url.hash !== '') {
    throw refuse('holds more than scheme, host and port')
  }
  return {
    protocol,
    host: hostOf(url).toLowerCase(),
    port: url.port === '' ? PORTS[protocol] : Number(url.port),
    credentials:
      url.username === '' && url.password === ''
        ? undefined
        : checkedCredentials(
            { username: unescaped(url.username), password: unescaped(url.password) },
            where,
          ),
  }
}

function checkedCredentials(auth: unknown, where: string): NonNullable<Way['credentials']> {
  const members = new Map(typeof auth === 'object' && auth !== null ? Object.entries(auth) : [])
  const username: unknown = members.get('username')
  const password: unknown = members.get('password')
  if (typeof username !== 'string' || typeof password !== 'string' || members.size !== 2) {
    throw new OptionError('option-invalid', `${where}: auth must be { username, password }`)
  }
  if (!isUsable(username) || !isUsable(password) || username.includes(':')) {
    throw new OptionError('option-invalid', `${where}: its user name or password cannot be sent`)
  }
  return { username, password }
}

/** RFC 1929 §2 counts each in one byte; RFC 7617 §2 ends the user name at the first colon. */
function isUsable(text: string): boolean {
  return Buffer.byteLength(text) <= 255 && !/\p{Cc}/u.test(text)
}

function noProxyOf(noProxy: unknown): NoProxy | undefined {
  if (noProxy === undefined) return undefined
  const list: unknown[] = Array.isArray(noProxy) ? noProxy : [noProxy]
  const rules = list.filter((rule) => typeof rule === 'string')
  if (rules.length !== list.length) {
    throw new OptionError('option-invalid', 'proxy: noProxy must be text or a list of texts')
  }
  return new NoProxy(rules.join(','))
}

/** The lower-case variable wins, as in curl and Python. */
function serverOfEnvironment(url: URL): ProxyServer | undefined {
  const host = hostOf(url).toLowerCase()
  // First: each look at a variable asks the operating system, and this is for every call.
  if (isLoopback(host)) return undefined
  const named =
    (url.protocol === 'https:' ? firstSet('https_proxy', 'HTTPS_PROXY') : httpProxy()) ??
    firstSet('all_proxy', 'ALL_PROXY')
  if (named === undefined) return undefined
  const rules = firstSet('no_proxy', 'NO_PROXY')
  if (rules !== undefined) {
    if (passedBy?.text !== rules.value)
      passedBy = { text: rules.value, rules: new NoProxy(rules.value) }
    if (passedBy.rules.matches(host, portOf(url))) return undefined
  }
  return parseProxy(named.value, `variable ${named.name}`)
}

/** In a CGI program `HTTP_PROXY` is the request header `Proxy`: anybody could set it (CVE-2016-5385). */
function httpProxy(): Variable | undefined {
  return process.env['REQUEST_METHOD'] === undefined
    ? firstSet('http_proxy', 'HTTP_PROXY')
    : firstSet('http_proxy')
}

interface Variable {
  readonly name: string
  readonly value: string
}

function firstSet(...names: readonly string[]): Variable | undefined {
  for (const name of names) {
    const value = process.env[name]
    if (value !== undefined && value !== '') return { name, value }
  }
  return undefined
}

function wayOf(
  server: ProxyServer,
  credentials: Way['credentials'],
  security: NamedSecurity | undefined,
): Way {
  const { protocol, host, port } = server
  const shown = `${protocol}//${host.includes(':') ? `[${host}]` : host}:${port}`
  const who =
    credentials === undefined
      ? ''
      : hash('sha256', JSON.stringify([credentials.username, credentials.password]))
  const secured = security === undefined ? '' : `${security.id} ${security.verified}`
  return { protocol, host, port, credentials, security, shown, id: `${shown} ${who} ${secured}` }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A lone percent sign stands for itself.
    return text
  }
}

function isProxyProtocol(protocol: string): protocol is Way['protocol'] {
  return Object.hasOwn(PORTS, protocol)
}

const PORTS = { 'http:': 80, 'https:': 443, 'socks5:': 1080, 'socks5h:': 1080 } as const

const PROXY_OPTIONS = Object.keys({
  url: true,
  auth: true,
  noProxy: true,
  verify: true,
  ca: true,
  extraCa: true,
  cert: true,
  key: true,
  passphrase: true,
  pin: true,
  crl: true,
  revocation: true,
} as const satisfies Record<keyof ProxyOptions, true>)

const noTrust = new SessionTrust(NO_PLAN, false)

let passedBy: { readonly text: string; readonly rules: NoProxy } | undefined
