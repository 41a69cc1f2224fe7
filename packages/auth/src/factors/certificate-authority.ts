/**
 * Who certifies the keys of our users. Sign-in knows no authority: it is given one, and says who asks.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { Certificate, CertificateRequest } from '@countersign/x509'
import type { Principal } from '../context.ts'
import { AuthError } from '../errors.ts'

/** What an authority is asked for: a client certificate for somebody who has just proved who they are. */
export interface CertificateOrder {
  /** Whose it will be. The names in the certificate are theirs, whatever the request asks for. */
  readonly principal: Principal
  /** Signed by the key in it; nothing but that key may be taken from it. */
  readonly request: CertificateRequest
  /** The lifetime that is wished for, in days. @defaultValue the authority's own */
  readonly days?: number | undefined
}

/** An authority as sign-in needs it. */
export interface CertificateAuthority {
  /**
   * Certifies.
   *
   * @returns the certificate and what stands above it, without the root
   * @throws {@link AuthError} `certificate-refused` where its policy says no: message and hint are for whoever asks
   */
  issue(order: CertificateOrder): Promise<readonly Certificate[]>
  /**
   * Revokes the certificate with this SHA-256 (lower-case hex); nothing where it has not issued it.
   */
  revoke(fingerprint: string): Promise<void>
}

/**
 * Checks what was given as one.
 *
 * @throws CoreError `option-unknown`; {@link AuthError} `option-invalid`
 */
export function readCertificateAuthority(
  given: CertificateAuthority | undefined,
): CertificateAuthority | undefined {
  if (given === undefined) return undefined
  checkOptions(given, ['issue', 'revoke'], 'createAuth: certificateAuthority')
  if (typeof given.issue === 'function' && typeof given.revoke === 'function') return given
  throw new AuthError(
    'option-invalid',
    'createAuth: certificateAuthority must have issue and revoke',
  )
}
