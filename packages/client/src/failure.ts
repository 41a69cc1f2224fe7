/**
 * Whatever the transport threw, in words: what failed, against which trust, and what to do.
 *
 * @module
 */
import { errorCode, errorMessage } from '@countersign/core'
import {
  certificateFacts,
  certificateTitle,
  connectionFailure,
  type ExplainChainOptions,
  isReasonCode,
  reasonOf,
  type TrustDescription,
  TrustStore,
} from '@countersign/tls'
import type { Certificate } from '@countersign/x509'
import { PinMismatch, ProtocolMissing } from './admission.ts'
import { ConnectFailure, type Link } from './connect.ts'
import {
  BodyError,
  ClientError,
  ConnectError,
  type ConnectErrorCode,
  IdentityError,
  OptionError,
  type Phase,
  TimeoutError,
  TrustError,
  type TrustReason,
} from './errors.ts'
import { type Peer, readableChain } from './peer.ts'
import { pinsOf } from './pins.ts'
import { Refusal } from './revocation.ts'
import type { NamedSecurity } from './trust.ts'
import { hostOf, portOf, shownUrl } from './url.ts'

/** What is known about the request that failed. */
export interface RequestFacts {
  readonly url: URL
  readonly method: string
  readonly security: NamedSecurity | undefined
}

/**
 * The error of a call.
 *
 * @param link - the socket, where the request went out on one
 * @param phase - how far it had come
 */
export function failureOf(
  error: unknown,
  facts: RequestFacts,
  link: Link | undefined,
  phase: Phase,
): ClientError {
  if (error instanceof ClientError) return error
  if (error instanceof ConnectFailure) return connectFailure(error, facts)
  // The first error of the socket is the true one; what the transport says comes after it.
  const cause = link?.firstError ?? error
  // The parser keeps what it read, a cookie or a body: whoever logs an error would log that.
  if (isParserError(cause)) Reflect.deleteProperty(cause, 'data')
  const reason = reasonOf(cause)
  if (reason?.code === 'server-refused-client-cert') {
    return identityError(cause, facts, link?.chain ?? [])
  }
  return phase === 'body' ? bodyFailure(cause, facts) : lostConnection(cause, facts, link)
}

/** A server that took the connection and then said, in an answer, that our certificate will not do. */
export function refusedIdentity(
  facts: RequestFacts,
  peer: Peer,
  said: { message: string; hint: string | undefined; acceptedAuthorities: readonly string[] },
): IdentityError {
  const own = facts.security?.context.certificate
  const chain = peer.chain.map(({ der }) => der)
  const words = own === undefined ? 'none was offered' : `offered was ${titleOf(own)}`
  return new IdentityError(`${said.message}; ${words}`, {
    url: shownUrl(facts.url),
    hint: said.hint,
    offered: own === undefined ? undefined : certificateFacts(own),
    acceptedAuthorities: said.acceptedAuthorities,
    evidence: evidenceOf('server-refused-client-cert', undefined, chain, facts),
  })
}

/** Whether a connection broke before anything of an answer came: on a reused one that says nothing about the server. */
export function isLostConnection(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

function connectFailure(failure: ConnectFailure, facts: RequestFacts): ClientError {
  const { cause } = failure
  const { origin } = facts.url
  const url = shownUrl(facts.url)
  if (failure.timedOut !== undefined) {
    const { timeoutMs, phase } = failure.timedOut
    const what = phase === 'tls' ? 'TLS handshake' : 'connection'
    return new TimeoutError(`${origin}: no ${what} within ${timeoutMs} ms`, {
      phase,
      timeoutMs,
      url,
      cause,
      hint:
        failure.stage === 'tls'
          ? 'something listens there, but does not finish a TLS handshake'
          : 'check host, port and the firewall between the two machines',
    })
  }
  if (failure.stage === 'tcp') {
    const [code, words, hint] = TCP_FAULTS.get(errorCode(cause) ?? '') ?? [
      'connect-failed',
      `cannot be connected to: ${errorMessage(cause)}`,
      undefined,
    ]
    return new ConnectError(code, `${origin} ${words}`, { cause, url, hint })
  }
  return handshakeFailure(failure, facts)
}

/** What the TLS layer says of it, sorted into this package's errors. */
function handshakeFailure(failure: ConnectFailure, facts: RequestFacts): ClientError {
  const { cause } = failure
  const { origin } = facts.url
  const url = shownUrl(facts.url)
  const context = facts.security?.context
  if (context === undefined) return lostConnection(cause, facts, undefined)
  if (cause instanceof PinMismatch) return pinMismatch(failure, cause, facts)
  if (cause instanceof Refusal) {
    return trustError(cause.code, `${origin}: ${cause.message}`, cause.hint, failure, facts)
  }
  if (cause instanceof ProtocolMissing) {
    return new ConnectError('alpn-mismatch', `${origin}: ${cause.message}`, {
      cause,
      url,
      hint: "leave http out, or write http: 'auto' to take what the server speaks",
    })
  }
  const said = connectionFailure(cause, {
    host: hostOf(facts.url),
    port: portOf(facts.url),
    trust: context.trust,
    chain: failure.chain,
    own: context.certificate,
  })
  if (isTrustReason(said.code)) {
    const against = STORE_MATTERS.has(said.code)
      ? `; trusted are ${trustWords(context.trust.describe())}`
      : ''
    return trustError(said.code, `${said.message}${against}`, said.hint, failure, facts)
  }
  if (said.code === 'server-refused-client-cert') return identityError(cause, facts, failure.chain)
  if (said.code === 'not-tls') {
    return new ConnectError('not-tls', `${origin} does not speak TLS`, {
      cause,
      url,
      hint: `it probably speaks plain HTTP: http://${facts.url.host}, or another port speaks https`,
    })
  }
  if (said.code === 'reset') {
    return new ConnectError('reset', `${origin} cut the connection during the TLS handshake`, {
      cause,
      url,
      hint: 'the port may speak plain HTTP, or something between the two machines cuts the connection',
    })
  }
  return new ConnectError('handshake-failed', said.message, { cause, url, hint: said.hint })
}

function trustError(
  code: string,
  message: string,
  hint: string | undefined,
  failure: ConnectFailure,
  facts: RequestFacts,
): TrustError {
  const { security } = facts
  const pinnedAlone = security?.pinnedAlone === true
  return new TrustError(isTrustReason(code) ? code : 'rejected-by-policy', message, {
    cause: failure.cause,
    hint,
    url: shownUrl(facts.url),
    host: hostOf(facts.url),
    chain: readableChain(failure.chain).map((one) => certificateFacts(one)),
    trust: (pinnedAlone ? undefined : security?.context.trust)?.describe(),
    evidence: evidenceOf(
      code === 'pin-mismatch' ? undefined : code,
      failure.cause,
      failure.chain,
      facts,
    ),
  })
}

/** What an explanation needs to know; nothing of it is read before somebody asks. */
function evidenceOf(
  code: string | undefined,
  cause: unknown,
  chain: readonly Uint8Array[],
  { url, security }: RequestFacts,
): ExplainChainOptions {
  const pinnedAlone = security === undefined || security.pinnedAlone
  const name = hostOf(url)
  return {
    chain,
    trust: pinnedAlone ? TrustStore.empty() : security.context.trust,
    name: pinnedAlone ? undefined : name,
    code: code !== undefined && isReasonCode(code) ? code : 'rejected-by-policy',
    crls: cause instanceof Refusal ? cause.lists : undefined,
    own: security?.context.certificate,
    target: { host: name, port: portOf(url), serverName: name },
    nodeCode: errorCode(cause),
  }
}

function pinMismatch(failure: ConnectFailure, cause: PinMismatch, facts: RequestFacts): TrustError {
  const pins = facts.security?.pins?.texts ?? []
  const { presented } = cause
  return trustError(
    'pin-mismatch',
    `${facts.url.origin}: ${cause.message}; pinned ${pins.length === 1 ? 'is' : 'are'} ${pins.join(', ')}`,
    presented === undefined
      ? 'ask the owner of the server for its certificate'
      : `if its owner confirms the new key by another way than this connection, pin it: pin: '${pinsOf(presented).key}'`,
    failure,
    facts,
  )
}

function isTrustReason(code: string): code is TrustReason {
  return code === 'pin-mismatch' || (isReasonCode(code) && !NOT_OF_THE_SERVER.has(code))
}

function identityError(
  cause: unknown,
  facts: RequestFacts,
  chain: readonly Uint8Array[],
): IdentityError {
  const own = facts.security?.context.certificate
  const reason = reasonOf(cause)
  const offered = own === undefined ? 'none was offered' : `offered was ${titleOf(own)}`
  const words = reason?.message ?? 'the server refused the client certificate'
  return new IdentityError(`${facts.url.origin}: ${words}; ${offered}`, {
    cause,
    url: shownUrl(facts.url),
    hint: reason?.hint,
    offered: own === undefined ? undefined : certificateFacts(own),
    evidence: evidenceOf('server-refused-client-cert', cause, chain, facts),
  })
}

function lostConnection(cause: unknown, facts: RequestFacts, link: Link | undefined): ClientError {
  const { origin } = facts.url
  const url = shownUrl(facts.url)
  const nodeCode = errorCode(cause)
  if (nodeCode === 'UND_ERR_HEADERS_OVERFLOW') {
    return new ConnectError(
      'head-too-large',
      `${origin} answered with more than 64 KiB of headers`,
      {
        cause,
        url,
        hint: 'let the server send smaller headers: it is often cookies that have piled up',
      },
    )
  }
  if (isParserError(cause) || isUnasked(cause) || nodeCode === TWO_LENGTHS) {
    return new ConnectError(
      'not-http',
      `${origin} did not answer in HTTP: ${errorMessage(cause)}`,
      {
        cause,
        url,
        hint:
          facts.url.protocol === 'http:'
            ? `if the port speaks TLS, use https://${facts.url.host}`
            : undefined,
      },
    )
  }
  if (nodeCode === 'UND_ERR_DESTROYED' || nodeCode === 'UND_ERR_CLOSED') {
    return new OptionError('session-closed', 'the session was closed', { cause, url })
  }
  if (nodeCode === 'UND_ERR_INVALID_ARG') {
    return new OptionError('option-invalid', errorMessage(cause), { cause, url })
  }
  if (!isLostConnection(cause)) {
    return new ConnectError('connect-failed', `${origin}: ${errorMessage(cause)}`, { cause, url })
  }
  return new ConnectError('reset', `${origin} closed the connection without an answer`, {
    cause,
    url,
    hint: lostHint(facts, link),
  })
}

function lostHint(facts: RequestFacts, link: Link | undefined): string | undefined {
  if (facts.security === undefined) {
    return `if the port speaks TLS, use https://${facts.url.host}`
  }
  if (link === undefined || link.answers > 0) return undefined
  const own = facts.security.context.certificate
  // Node closes without an alert when it does not trust a client certificate.
  return own === undefined
    ? 'some servers do this when they want a client certificate: pass cert and key'
    : `some servers do this when they do not trust the client certificate; offered was ${titleOf(own)}`
}

function bodyFailure(cause: unknown, facts: RequestFacts): BodyError {
  const where = `${facts.method} ${shownUrl(facts.url)}`
  const detail = { cause, url: shownUrl(facts.url) }
  // The headers are in: what is too large here are trailers.
  if (isParserError(cause) || errorCode(cause) === 'UND_ERR_HEADERS_OVERFLOW') {
    return new BodyError(
      'body-malformed',
      `${where}: the body breaks the rules of HTTP/1.1`,
      detail,
    )
  }
  return new BodyError(
    'body-truncated',
    `${where}: the connection broke before the body was whole`,
    detail,
  )
}

/** An answer that nobody asked for: 101 Switching Protocols, 100 Continue, one after the end of another. */
function isUnasked(error: unknown): boolean {
  return error instanceof Error && /^bad (?:upgrade|response)$/.test(error.message)
}

/** The HTTP parser gives its errors a name, but not always a code. */
function isParserError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'HTTPParserError'
}

/** Which certificates were believed, and where they came from. */
function trustWords(trust: TrustDescription): string {
  const sources = trust.sources.map(({ kind, name, path }) => {
    if (kind === 'system') return 'the system'
    if (kind === 'bundled') return 'Node'
    return path === undefined ? name : `${name} (${path})`
  })
  const count = trust.count === 1 ? '1 certificate' : `${trust.count} certificates`
  return `${count} from ${sources.join(' and ')}`
}

function titleOf(certificate: Certificate): string {
  return `"${certificateTitle(certificate)}"`
}

/** Before a head is whole it means that two fields announce the body, and not the same one. */
const TWO_LENGTHS = 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'

/** Reasons whose message does not say by itself what was trusted. */
const STORE_MATTERS = new Set<string>(['self-signed', 'bad-signature'])

const NOT_OF_THE_SERVER = new Set<string>(['server-refused-client-cert', 'not-tls', 'reset'])

const TCP_FAULTS = new Map<string, readonly [ConnectErrorCode, string, string | undefined]>([
  [
    'ECONNREFUSED',
    ['refused', 'refused the connection', 'start the server, or check host and port'],
  ],
  ['ECONNRESET', ['reset', 'cut the connection', undefined]],
  ...['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'EAI_NONAME'].map(
    (code) =>
      [
        code,
        [
          'name-not-found',
          'cannot be found: its host name has no address',
          'check the spelling of the host and the name service of this machine',
        ],
      ] as const,
  ),
  ...['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'ETIMEDOUT', 'EACCES'].map(
    (code) =>
      [
        code,
        [
          'unreachable',
          'cannot be reached',
          'check the network and the firewall between the two machines',
        ],
      ] as const,
  ),
])
