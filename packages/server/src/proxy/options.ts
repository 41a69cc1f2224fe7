/**
 * What `proxyTo` takes, and the settings it becomes.
 *
 * @module
 */
import type { BlockList } from 'node:net'
import { checkOptions } from '@countersign/core'
import type { CaSources, CertificateSource, KeySource, TlsContext } from '@countersign/tls'
import { ServerError } from '../errors.ts'
import type { ForwardedHeader } from './forwarded.ts'
import type { HealthOptions } from './health.ts'
import type { LoginOptions } from './login.ts'
import type { UpstreamFaultCode } from './problems.ts'
import type { RateLimitOptions } from './rate-limit.ts'
import type { Balance } from './upstreams.ts'

/** Something that went wrong on the way to an upstream, or ended. */
export interface ProxyEvent {
  readonly code: UpstreamFaultCode | 'upstream-ejected' | 'upstream-ill' | 'upstream-well'
  /** Its address, as it was given. */
  readonly upstream: string | undefined
  /** For people. */
  readonly message: string
  readonly cause: unknown
}

/** How long and how much upstreams may take. */
export interface ProxyLimitOptions {
  /** To a connection, TLS included. @defaultValue 10000 */
  connectMs?: number | undefined
  /** From the end of the request to the head of the answer. @defaultValue 60000 */
  headersMs?: number | undefined
  /** In which nothing moves, in either body. @defaultValue 60000 */
  idleMs?: number | undefined
  /** In which nothing moves on an upgraded connection; 0 is no limit. @defaultValue 3600000 */
  upgradeIdleMs?: number | undefined
  /** Until a client that waits for `100 Continue` gets it, though the upstream says nothing. @defaultValue 1000 */
  continueMs?: number | undefined
  /** Requests and upgraded connections at once to one upstream; further ones get 503. @defaultValue 1024 */
  connections?: number | undefined
  /** All headers of an answer together. @defaultValue 16384 */
  headerBytes?: number | undefined
  /** Headers of a request, and of an answer. @defaultValue 200 */
  headers?: number | undefined
}

/** The limits in force. */
export type ProxyLimits = { readonly [Name in keyof Required<ProxyLimitOptions>]: number }

/** How {@link proxyTo} passes requests on. */
export interface ProxyOptions {
  /** What the certificate of an `https:` upstream must end in. @defaultValue the default trust */
  ca?: CaSources | undefined
  /** A certificate to show the upstream. @defaultValue none */
  cert?: CertificateSource | undefined
  /** The key of `cert`. @defaultValue the key block of `cert` */
  key?: KeySource | undefined
  passphrase?: string | undefined
  /** A context made before, instead of these; the others follow their files. */
  context?: TlsContext | undefined
  /** `keep` passes the client's `Host` on, `upstream` sends the upstream's own name. @defaultValue 'keep' */
  host?: 'keep' | 'upstream' | undefined
  /** A name for this server in `Via`, both ways. @defaultValue none: no `Via` */
  via?: string | undefined
  /** Headers of answers that are left out. @defaultValue `Server` and `X-Powered-By` */
  hideHeaders?: readonly string[] | undefined
  /**
   * Headers that clients may not send, beside `Forwarded`, `X-Forwarded-*`, `Client-Cert*`, `Countersign-*` and `Proxy`, however they are
   * spelt (`X_Ssl_Verify` too); `*` at the end stands for everything that begins so. @defaultValue `X-SSL-*`, `SSL-Client-*`, `X-Client-Cert*`,
   * `X-Client-Verify*`, `X-Client-DN*`, `X-Real-IP`, `True-Client-IP`, `X-Client-IP`, `X-Cluster-Client-IP`, `Remote-User`, `X-Remote-User`,
   * `CF-Connecting-IP`, `Fastly-Client-IP`, `X-Original-Forwarded-For`, `X-ARR-ClientCert`, `X-Amzn-Mtls-*`, `X-Auth-Request-*`
   */
  stripHeaders?: readonly string[] | undefined
  /** Proxies in front whose word about the client's address counts: addresses and networks. @defaultValue none */
  trustForwarded?: BlockList | readonly string[] | undefined
  /** Which header those keep; what else they pass through is anybody's. @defaultValue 'x-forwarded-for', with `-Proto` and `-Host` */
  forwardedHeader?: ForwardedHeader | undefined
  /** Certificates of proxies in front whose `Client-Cert` counts: `['sha256:…']`. @defaultValue none */
  trustClientCertFrom?: readonly string[] | undefined
  /** Only who has signed in gets through. @defaultValue everybody does */
  login?: LoginOptions | undefined
  /** So many requests from one address. @defaultValue no limit */
  rateLimit?: RateLimitOptions | undefined
  /** Which of several upstreams gets a request. @defaultValue 'round-robin' */
  balance?: Balance | undefined
  /** So many failures in a row, and one of several upstreams is left in peace for `ejectMs`. @defaultValue 3 */
  failures?: number | undefined
  /** @defaultValue 10000 */
  ejectMs?: number | undefined
  /** Ask each upstream at intervals. @defaultValue never */
  health?: string | HealthOptions | undefined
  limits?: ProxyLimitOptions | undefined
  /** Told of faults of upstreams; clients are told no address. @defaultValue nothing */
  onEvent?: ((event: ProxyEvent) => void) | undefined
}

/** The names of {@link ProxyOptions}. */
export const PROXY_OPTIONS: readonly (keyof ProxyOptions)[] = [
  'ca',
  'cert',
  'key',
  'passphrase',
  'context',
  'host',
  'via',
  'hideHeaders',
  'stripHeaders',
  'trustForwarded',
  'forwardedHeader',
  'trustClientCertFrom',
  'login',
  'rateLimit',
  'balance',
  'failures',
  'ejectMs',
  'health',
  'limits',
  'onEvent',
]

/**
 * Fills in the defaults.
 *
 * @throws CoreError `option-unknown`; {@link ServerError} `option-invalid`
 */
export function resolveProxyLimits(options: ProxyLimitOptions = {}): ProxyLimits {
  checkOptions(options, Object.keys(DEFAULTS), 'proxyTo: limits')
  const limits = {
    connectMs: options.connectMs ?? DEFAULTS.connectMs,
    headersMs: options.headersMs ?? DEFAULTS.headersMs,
    idleMs: options.idleMs ?? DEFAULTS.idleMs,
    upgradeIdleMs: options.upgradeIdleMs ?? DEFAULTS.upgradeIdleMs,
    continueMs: options.continueMs ?? DEFAULTS.continueMs,
    connections: options.connections ?? DEFAULTS.connections,
    headerBytes: options.headerBytes ?? DEFAULTS.headerBytes,
    headers: options.headers ?? DEFAULTS.headers,
  }
  for (const [name, value] of Object.entries(limits)) {
    checkNumber(`limits.${name}`, value, name === 'upgradeIdleMs' ? 0 : 1)
  }
  return limits
}

/** @throws {@link ServerError} `option-invalid` */
export function checkNumber(option: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least && value <= 0x7fff_ffff) return
  throw new ServerError('option-invalid', `${option} must be a whole number from ${least}`, {
    option,
  })
}

/** @throws {@link ServerError} `option-invalid` */
export function checkChoice(option: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return
  throw new ServerError('option-invalid', `${option} is one of ${choices.join(', ')}`, { option })
}

const DEFAULTS = {
  connectMs: 10_000,
  headersMs: 60_000,
  idleMs: 60_000,
  upgradeIdleMs: 3_600_000,
  continueMs: 1000,
  connections: 1024,
  headerBytes: 16 * 1024,
  headers: 200,
} as const
