/**
 * How long and how much a client may take.
 *
 * Not here: who enforces it. Times and headers are Node's to keep, connections `admission.ts`, bodies `body-guard.ts`.
 *
 * @module
 */
import type { BlockList } from 'node:net'
import { checkOptions } from '@countersign/core'
import { addressList } from './address-list.ts'
import { ServerError } from './errors.ts'

/** What a client may take. */
export interface LimitOptions {
  /** From the connection to the first byte, and again to the end of the TLS handshake. @defaultValue 10000 */
  handshakeMs?: number | undefined
  /** From the first byte of a request to the end of its headers. @defaultValue 15000 */
  headersMs?: number | undefined
  /** From the first byte of a request to its last; 0 is no limit. @defaultValue 300000 */
  requestMs?: number | undefined
  /** Between an answer and the next request on the same connection. @defaultValue 5000 */
  idleMs?: number | undefined
  /** All headers of a request together. @defaultValue 16384 */
  headerBytes?: number | undefined
  /** The body of a request, as it crosses the network; 0 is no limit. @defaultValue 16777216 */
  bodyBytes?: number | undefined
  /** How fast a body must come while somebody waits for it; 0 is any pace. @defaultValue 500 */
  bodyBytesPerSecond?: number | undefined
  /** Over how long that is measured, and how long the rest of a body may take that nobody reads. @defaultValue 5000 */
  bodyPaceMs?: number | undefined
  /** Connections open at once; further ones are closed at once. @defaultValue 10000 */
  connections?: number | undefined
  /** The same for one address; of IPv6, for its /64. @defaultValue 1000 */
  connectionsPerAddress?: number | undefined
  /** Then the connection ends after the answer. @defaultValue 10000 */
  requestsPerConnection?: number | undefined
  /** Requests at once on one connection of HTTP/2. @defaultValue 100 */
  streams?: number | undefined
  /** Addresses and networks whose connections are closed at once: `['192.0.2.7', '2001:db8::/32']`. @defaultValue none */
  blockList?: BlockList | readonly string[] | undefined
}

/** The limits in force. */
export interface Limits {
  readonly handshakeMs: number
  readonly headersMs: number
  readonly requestMs: number
  readonly idleMs: number
  readonly headerBytes: number
  readonly bodyBytes: number
  readonly bodyBytesPerSecond: number
  readonly bodyPaceMs: number
  readonly connections: number
  readonly connectionsPerAddress: number
  readonly requestsPerConnection: number
  readonly streams: number
  readonly blockList: BlockList | undefined
}

/**
 * Fills in the defaults.
 *
 * @throws CoreError `option-unknown`; {@link ServerError} `option-invalid` for what is no whole number, no address
 */
export function resolveLimits(options: LimitOptions = {}): Limits {
  checkOptions(options, [...Object.keys(DEFAULTS), 'blockList'], 'serve: limits')
  const limits = {
    handshakeMs: options.handshakeMs ?? DEFAULTS.handshakeMs,
    headersMs: options.headersMs ?? DEFAULTS.headersMs,
    requestMs: options.requestMs ?? DEFAULTS.requestMs,
    idleMs: options.idleMs ?? DEFAULTS.idleMs,
    headerBytes: options.headerBytes ?? DEFAULTS.headerBytes,
    bodyBytes: options.bodyBytes ?? DEFAULTS.bodyBytes,
    bodyBytesPerSecond: options.bodyBytesPerSecond ?? DEFAULTS.bodyBytesPerSecond,
    bodyPaceMs: options.bodyPaceMs ?? DEFAULTS.bodyPaceMs,
    connections: options.connections ?? DEFAULTS.connections,
    connectionsPerAddress: options.connectionsPerAddress ?? DEFAULTS.connectionsPerAddress,
    requestsPerConnection: options.requestsPerConnection ?? DEFAULTS.requestsPerConnection,
    streams: options.streams ?? DEFAULTS.streams,
  }
  for (const [name, value] of Object.entries(limits)) {
    const isSize = name === 'bodyBytes'
    const least = MAY_BE_NONE.has(name) ? 0 : 1
    const most = isSize ? Number.MAX_SAFE_INTEGER : LARGEST
    if (Number.isInteger(value) && value >= least && value <= most) continue
    throw new ServerError('option-invalid', `limits.${name} must be a whole number from ${least}`, {
      option: `limits.${name}`,
    })
  }
  if (limits.requestMs !== 0 && limits.headersMs > limits.requestMs) {
    throw new ServerError('option-invalid', 'limits.headersMs is longer than limits.requestMs', {
      option: 'limits.headersMs',
    })
  }
  const { blockList } = options
  return {
    ...limits,
    blockList: blockList === undefined ? undefined : addressList(blockList, 'limits.blockList'),
  }
}

/** The options that `node:http` and `node:https` know these limits by. */
export function nodeHttpOptions(limits: Limits): {
  headersTimeout: number
  requestTimeout: number
  keepAliveTimeout: number
  maxHeaderSize: number
  connectionsCheckingInterval: number
} {
  return {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    maxHeaderSize: limits.headerBytes,
    // Node looks for late headers every 30 s by default: a limit of 15 s would be one of 45.
    connectionsCheckingInterval: Math.min(1000, limits.headersMs),
  }
}

const DEFAULTS = {
  handshakeMs: 10_000,
  headersMs: 15_000,
  requestMs: 300_000,
  idleMs: 5000,
  headerBytes: 16 * 1024,
  bodyBytes: 16 * 1024 * 1024,
  bodyBytesPerSecond: 500,
  bodyPaceMs: 5000,
  connections: 10_000,
  connectionsPerAddress: 1000,
  requestsPerConnection: 10_000,
  streams: 100,
} as const

const MAY_BE_NONE: ReadonlySet<string> = new Set(['requestMs', 'bodyBytes', 'bodyBytesPerSecond'])

/** `setTimeout` turns anything above into 1 ms. */
const LARGEST = 0x7fff_ffff
