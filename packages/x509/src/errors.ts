/**
 * What can be wrong with a certificate, a key, a request, a list or a bundle.
 *
 * @module
 */
import { CountersignError, type ErrorDetail } from '@countersign/core'

/** The codes of {@link X509Error}. */
export type X509ErrorCode =
  | 'der-malformed'
  | 'der-too-deep'
  | 'der-too-large'
  | 'pem-empty'
  | 'pem-malformed'
  | 'pem-too-large'
  | 'certificate-malformed'
  | 'certificate-missing'
  | 'certificate-several'
  | 'extension-malformed'
  | 'key-malformed'
  | 'key-missing'
  | 'key-several'
  | 'key-unsupported'
  | 'passphrase-missing'
  | 'passphrase-wrong'
  | 'name-invalid'
  | 'template-invalid'
  | 'signing-failed'
  | 'request-malformed'
  | 'request-missing'
  | 'crl-malformed'
  | 'crl-missing'
  | 'crl-several'
  | 'crl-invalid'
  | 'ocsp-malformed'
  | 'ocsp-missing'
  | 'ocsp-several'
  | 'ocsp-invalid'
  | 'pkcs12-invalid'
  | 'pkcs12-legacy'

/** What an {@link X509Error} may carry beside its code and message. */
export interface X509ErrorDetail extends ErrorDetail {
  /** Where the faulty thing came from: a path, an option's name. */
  source?: string | undefined
}

/** A certificate, key, request, list, OCSP answer or bundle could not be used; `source` says where it came from. */
export class X509Error extends CountersignError<X509ErrorCode> {
  readonly source: string | undefined

  constructor(code: X509ErrorCode, message: string, detail: X509ErrorDetail = {}) {
    super(code, message, detail)
    this.source = detail.source
  }
}
