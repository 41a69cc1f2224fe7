/**
 * The true reason of a handshake that failed, and whose it was.
 *
 * When Node refuses a client certificate it cuts the connection and reports `socket hang up`; the reason stays on the
 * socket as `authorizationError`, and the address is gone with the handle. Both are kept here.
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { errorCode, errorMessage } from '@countersign/core'
import { reasonOf } from '@countersign/tls'
import { failureOf, type HandshakeFailure, type Refusal, type RefusalCode } from './refusal.ts'

/** Where a connection came from; read when it is accepted, for later it cannot be. */
export interface Origin {
  readonly address: string
  readonly port: number
}

/** Remembers where a connection came from. */
export function rememberOrigin(socket: Socket): void {
  ORIGINS.set(socket, originOf(socket))
}

/** Where a live connection comes from. */
export function originOf(socket: Socket): Origin {
  const address = socket.remoteAddress
  return {
    address: address === undefined ? UNKNOWN.address : plainAddress(address),
    port: socket.remotePort ?? UNKNOWN.port,
  }
}

/** What is reported for an error of a handshake. */
export function handshakeFailure(error: Error, socket: TLSSocket): HandshakeFailure {
  const origin = originUnder(socket)
  const verification = verificationCode(socket)
  if (verification !== undefined) {
    return failureOf(certificateRefusal(verification), origin, verification)
  }
  return failureOf(refusalOf(error), origin, errorCode(error))
}

/** Why the certificate of a client was refused, from the code of Node's verification. */
export function certificateRefusal(nodeCode: string): Refusal {
  const reason = reasonOf(Object.assign(new Error(nodeCode), { code: nodeCode }))
  return {
    code: reason?.code ?? 'rejected-by-policy',
    message: `the client certificate was refused: ${reason?.message ?? nodeCode}`,
    hint: reason?.hint ?? 'countersign explain shows what is wrong with the certificate',
  }
}

/** The code Node's verification ended with, where it refused a certificate. */
export function verificationCode(socket: TLSSocket): string | undefined {
  // The types say Error; Node sets the code of one, or null.
  const fault: unknown = socket.authorizationError
  if (typeof fault === 'string') return fault
  return errorCode(fault)
}

function refusalOf(error: Error): Refusal {
  const code = errorCode(error) ?? ''
  const here = OWN_WORDS.find(({ pattern }) => pattern.test(code))
  if (here !== undefined) return here.refusal
  const reason = reasonOf(error)
  if (reason !== undefined) return reason
  return {
    code: 'handshake-failed',
    message: `the handshake failed: ${lastPart(errorMessage(error))}`,
    hint: 'openssl s_client -connect HOST:PORT shows it from the other side',
  }
}

/** The last part of `error:0A000416:SSL routines::sslv3 alert certificate unknown:…:SSL alert number 46`. */
function lastPart(message: string): string {
  const [, words] = /^[0-9A-F]*:?error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/.exec(message) ?? []
  return words ?? message.trim()
}

/** The TCP socket under a TLS socket: `_parent` is private, but there since 2014; without it the address is unknown. */
function originUnder(socket: TLSSocket): Origin {
  if (socket.remoteAddress !== undefined) return originOf(socket)
  const parent: unknown = Reflect.get(socket, '_parent')
  const known = typeof parent === 'object' && parent !== null ? ORIGINS.get(parent) : undefined
  return known ?? UNKNOWN
}

/** An IPv4 address that came in on an IPv6 port, as people write it. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

interface OwnWords {
  readonly pattern: RegExp
  readonly refusal: Refusal
}

function own(pattern: RegExp, code: RefusalCode, message: string, hint: string): OwnWords {
  return { pattern, refusal: { code, message, hint } }
}

/** What reads otherwise from the side of the server, or only happens there. */
const OWN_WORDS: readonly OwnWords[] = [
  own(
    /PEER_DID_NOT_RETURN_A_CERTIFICATE/,
    'no-client-certificate',
    'the client presented no certificate',
    'give the client a certificate of an authority in `ca`',
  ),
  own(
    /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|CERTIFICATE_EXPIRED|CERTIFICATE_REVOKED|UNSUPPORTED_CERTIFICATE)/,
    'client-refused-server-cert',
    'the client refused the certificate of this server',
    'give the client the root this certificate was issued under, and check its names and dates',
  ),
  own(
    /HANDSHAKE_TIMEOUT/,
    'handshake-timeout',
    'the client did not finish the handshake in time',
    'it may not speak TLS, or wait for something',
  ),
  own(
    /UNSUPPORTED_PROTOCOL|VERSION_TOO_(LOW|HIGH)|ALERT_PROTOCOL_VERSION/,
    'protocol-mismatch',
    'the client speaks no version of TLS that this server speaks',
    'use a client with TLS 1.2 or 1.3',
  ),
  own(
    /NO_APPLICATION_PROTOCOL/,
    'alpn-mismatch',
    'the client speaks no application protocol that this server speaks',
    'offer http/1.1 in the client',
  ),
  own(
    /NO_SHARED_CIPHER|NO_SUITABLE|ALERT_HANDSHAKE_FAILURE/,
    'handshake-failed',
    'client and server share no cipher, group or signature algorithm',
    'the client may be too old for the profile of the server',
  ),
]

const UNKNOWN: Origin = { address: 'unknown', port: 0 }

const ORIGINS = new WeakMap<object, Origin>()
