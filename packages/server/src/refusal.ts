/**
 * Why a client was not let in, in the same words everywhere: in the answer, in `onHandshakeError`, in a log.
 *
 * @module
 */
import type { Explanation, TlsError, TlsErrorCode } from '@countersign/tls'
import type { Certificate } from '@countersign/x509'

/** The codes of a refusal: those of TLS, and one that only a server knows. */
export type RefusalCode =
  | TlsErrorCode
  /** What the server trusts changed, and this connection cannot be judged anew: a new one can. */
  | 'connection-outdated'
  /** The request is for another site than the one the connection was made to. */
  | 'misdirected-request'
  /** The address is on the block list of the server. */
  | 'address-blocked'
  /** The address has as many connections as one may have. */
  | 'too-many-connections'
  /** The certificate counts, but not for this: {@link requireCertificate}. */
  | 'certificate-not-permitted'

/** Why. */
export interface Refusal {
  readonly code: RefusalCode
  readonly message: string
  readonly hint?: string | undefined
}

/** A refusal, with what OpenSSL called it. */
export interface RefusalFacts extends Refusal {
  /** The code of Node's own error: `CERT_HAS_EXPIRED`. */
  readonly nodeCode?: string | undefined
  /** What OpenSSL said of the certificate, where it minded it. */
  readonly word?: TlsError | undefined
}

/** A handshake that failed, a connection whose certificate does not count any more, or a route that it does not count for. */
export interface HandshakeFailure extends Omit<RefusalFacts, 'word'> {
  /** The address of the client; `unknown` where the connection was gone before it could be read. */
  readonly address: string
  readonly port: number
  /** Where OpenSSL minded the certificate: why, at length. Made when it is first read; not enumerable, so that no log computes it. */
  readonly explanation?: Explanation | undefined
}

/** A refusal, with whom it met. */
export function failureOf(
  refusal: RefusalFacts | TlsError,
  { address, port }: { readonly address: string; readonly port: number },
): HandshakeFailure {
  const { code, message, hint, nodeCode } = refusal
  const failure = { code, message, hint, address, port, nodeCode }
  const word = 'word' in refusal ? refusal.word : undefined
  if (word === undefined) return failure
  return Object.defineProperty(failure, 'explanation', { get: () => word.explanation })
}

/** Why a certificate does not count at this time, or `undefined` where it does. */
export function validityRefusal(certificate: Certificate, now: Date): Refusal | undefined {
  if (certificate.isValidAt(now)) return undefined
  const early = now < certificate.notBefore
  return {
    code: early ? 'not-yet-valid' : 'expired',
    message: early
      ? `the client certificate is not valid before ${certificate.notBefore.toISOString()}`
      : `the client certificate expired on ${certificate.notAfter.toISOString()}`,
    hint: 'connect again with a certificate that is valid now',
  }
}
