/**
 * How long and how much a client may take. The size of a request's body is the application's business.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
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
  /** Connections open at once; further ones are closed at once. @defaultValue no limit */
  connections?: number | undefined
}

/** The limits in force. */
export interface Limits {
  readonly handshakeMs: number
  readonly headersMs: number
  readonly requestMs: number
  readonly idleMs: number
  readonly headerBytes: number
  readonly connections: number | undefined
}

/**
 * Fills in the defaults.
 *
 * @throws CoreError `option-unknown`; {@link ServerError} `option-invalid` for what is no whole number
 */
export function resolveLimits(options: LimitOptions = {}): Limits {
  checkOptions(options, [...Object.keys(DEFAULTS), 'connections'], 'serve: limits')
  const limits = {
    handshakeMs: options.handshakeMs ?? DEFAULTS.handshakeMs,
    headersMs: options.headersMs ?? DEFAULTS.headersMs,
    requestMs: options.requestMs ?? DEFAULTS.requestMs,
    idleMs: options.idleMs ?? DEFAULTS.idleMs,
    headerBytes: options.headerBytes ?? DEFAULTS.headerBytes,
    connections: options.connections,
  }
  for (const [name, value] of Object.entries(limits)) {
    const least = name === 'requestMs' ? 0 : 1
    if (value === undefined || (Number.isInteger(value) && value >= least && value <= LARGEST)) {
      continue
    }
    throw new ServerError('option-invalid', `limits.${name} must be a whole number from ${least}`, {
      option: `limits.${name}`,
    })
  }
  if (limits.requestMs !== 0 && limits.headersMs > limits.requestMs) {
    throw new ServerError('option-invalid', 'limits.headersMs is longer than limits.requestMs', {
      option: 'limits.headersMs',
    })
  }
  return limits
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
} as const

/** `setTimeout` turns anything above into 1 ms. */
const LARGEST = 0x7fff_ffff
