import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isReasonCode, reasonOf, TlsError } from '@countersign/tls'

function nodeError(code: string, message = code): Error {
  return Object.assign(new Error(message), { code })
}

describe('reasonOf', () => {
  for (const [nodeCode, reason] of Object.entries({
    UNABLE_TO_GET_ISSUER_CERT: 'untrusted-root',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'untrusted-root',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'missing-intermediate',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed',
    SELF_SIGNED_CERT_IN_CHAIN: 'untrusted-root-sent',
    CERT_NOT_YET_VALID: 'not-yet-valid',
    CERT_HAS_EXPIRED: 'expired',
    CERT_SIGNATURE_FAILURE: 'bad-signature',
    CERT_REVOKED: 'revoked',
    UNABLE_TO_GET_CRL: 'crl-missing',
    CRL_HAS_EXPIRED: 'crl-stale',
    HOSTNAME_MISMATCH: 'name-mismatch',
    ERR_TLS_CERT_ALTNAME_INVALID: 'name-mismatch',
    INVALID_PURPOSE: 'wrong-purpose',
    INVALID_CA: 'not-a-ca',
    PATH_LENGTH_EXCEEDED: 'path-too-long',
    CERT_CHAIN_TOO_LONG: 'path-too-long',
    CERT_UNTRUSTED: 'rejected-by-policy',
    CERT_REJECTED: 'rejected-by-policy',
    ERR_SSL_WRONG_VERSION_NUMBER: 'not-tls',
    ECONNRESET: 'reset',
    ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'server-refused-client-cert',
    ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'server-refused-client-cert',
    'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED': 'server-refused-client-cert',
    ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'server-refused-client-cert',
  })) {
    it(`says ${reason} for ${nodeCode}`, () => {
      const found = reasonOf(nodeError(nodeCode))
      assert.equal(found?.code, reason)
      assert.notEqual(found.message, '')
      assert.notEqual(found.hint, '')
    })
  }

  it('reads OpenSSL words where Node says UNSPECIFIED', () => {
    for (const [text, reason] of [
      ['unhandled critical extension', 'critical-extension'],
      ['permitted subtree violation', 'name-constraint'],
      ['excluded subtree violation', 'name-constraint'],
      ['EE certificate key too weak', 'weak-crypto'],
      ['CA signature digest algorithm too weak', 'weak-crypto'],
      ['key usage does not include certificate signing', 'not-a-ca'],
      ['IP address mismatch', 'name-mismatch'],
      ['authority and subject key identifier mismatch', 'key-mismatch'],
      ['no explicit policy', 'rejected-by-policy'],
      ['Missing Authority Key Identifier', 'rejected-by-policy'],
      ['self-signed certificate in certificate chain', 'untrusted-root-sent'],
      ['self-signed certificate', 'self-signed'],
      ['path loop', 'path-too-long'],
    ] as const) {
      assert.equal(reasonOf(nodeError('UNSPECIFIED', text))?.code, reason, text)
    }
  })

  it('has a reason for every verification result of OpenSSL that is about a certificate', () => {
    for (const text of VERIFICATION_RESULTS) {
      const reason = reasonOf(new Error(text))
      assert.ok(reason !== undefined && isReasonCode(reason.code), text)
    }
  })

  it('knows an alert by its number, whatever its name has become', () => {
    const error = nodeError(
      'ERR_SSL_SOMETHING_NEW',
      '80:error:0A00045C:SSL routines:ssl3_read_bytes:something new:ssl/record/rec_layer_s3.c:916:SSL alert number 116\n',
    )
    const reason = reasonOf(error)
    assert.equal(reason?.code, 'server-refused-client-cert')
    assert.match(reason.message, /none was presented/)
  })

  it('finds the reason below wrappers and inside aggregates', () => {
    const inner = nodeError('CERT_HAS_EXPIRED')
    const wrapped = new TypeError('fetch failed', { cause: new Error('other', { cause: inner }) })
    assert.equal(reasonOf(wrapped)?.code, 'expired')
    assert.equal(reasonOf(new AggregateError([new Error('x'), inner]))?.code, 'expired')
  })

  it('ends on a cause that is its own cause', () => {
    const error = new Error('round')
    error.cause = error
    assert.equal(reasonOf(error), undefined)
  })

  it('keeps the words of an error of ours', () => {
    const error = new TlsError('expired', 'it ended yesterday', { hint: 'renew it' })
    assert.deepEqual(reasonOf(new Error('outer', { cause: error })), {
      code: 'expired',
      message: 'it ended yesterday',
      hint: 'renew it',
    })
  })

  it('is silent about what is no matter of trust', () => {
    for (const error of [
      nodeError('ECONNREFUSED'),
      nodeError('ENOTFOUND'),
      nodeError('ERR_INVALID_URL', 'certificate has expired'),
      new TlsError('ca-empty', 'option ca is empty'),
      new Error('something else'),
      undefined,
      null,
      'CERT_HAS_EXPIRED?',
    ]) {
      assert.equal(reasonOf(error), undefined)
    }
  })
})

/** X509_verify_cert_error_string of OpenSSL 3.5, without 0, 1, 17 (memory), 69, 70 and 95 (internal). */
const VERIFICATION_RESULTS: readonly string[] = [
  'unable to get issuer certificate',
  'unable to get certificate CRL',
  "unable to decrypt certificate's signature",
  "unable to decrypt CRL's signature",
  'certificate signature failure',
  'CRL signature failure',
  'certificate is not yet valid',
  'certificate has expired',
  'CRL is not yet valid',
  'CRL has expired',
  "format error in certificate's notBefore field",
  "format error in certificate's notAfter field",
  "format error in CRL's lastUpdate field",
  "format error in CRL's nextUpdate field",
  'self-signed certificate',
  'self-signed certificate in certificate chain',
  'unable to get local issuer certificate',
  'unable to verify the first certificate',
  'certificate chain too long',
  'certificate revoked',
  "issuer certificate doesn't have a public key",
  'path length constraint exceeded',
  'unsuitable certificate purpose',
  'certificate not trusted',
  'certificate rejected',
  'subject issuer mismatch',
  'authority and subject key identifier mismatch',
  'authority and issuer serial number mismatch',
  'key usage does not include certificate signing',
  'unable to get CRL issuer certificate',
  'unhandled critical extension',
  'key usage does not include CRL signing',
  'unhandled critical CRL extension',
  'invalid non-CA certificate (has CA markings)',
  'proxy path length constraint exceeded',
  'key usage does not include digital signature',
  'proxy certificates not allowed, please set the appropriate flag',
  'invalid or inconsistent certificate extension',
  'invalid or inconsistent certificate policy extension',
  'no explicit policy',
  'different CRL scope',
  'unsupported extension feature',
  "RFC 3779 resource not subset of parent's resources",
  'permitted subtree violation',
  'excluded subtree violation',
  'name constraints minimum and maximum not supported',
  'application verification failure',
  'unsupported name constraint type',
  'unsupported or invalid name constraint syntax',
  'unsupported or invalid name syntax',
  'CRL path validation error',
  'path loop',
  'Suite B: certificate version invalid',
  'Suite B: invalid public key algorithm',
  'Suite B: invalid ECC curve',
  'Suite B: invalid signature algorithm',
  'Suite B: curve not allowed for this LOS',
  'Suite B: cannot sign P-384 with P-256',
  'hostname mismatch',
  'email address mismatch',
  'IP address mismatch',
  'no matching DANE TLSA records',
  'EE certificate key too weak',
  'CA certificate key too weak',
  'CA signature digest algorithm too weak',
  'Certificate Transparency required, but no valid SCTs found',
  'proxy subject name violation',
  'OCSP verification needed',
  'OCSP verification failed',
  'OCSP unknown cert',
  'Cannot find certificate signature algorithm',
  'subject signature algorithm and issuer public key algorithm mismatch',
  'cert info signature and signature algorithm mismatch',
  'invalid CA certificate',
  'Path length invalid for non-CA cert',
  'Path length given without key usage keyCertSign',
  'Key usage keyCertSign invalid for non-CA cert',
  'Issuer name empty',
  'Subject name empty',
  'Missing Authority Key Identifier',
  'Missing Subject Key Identifier',
  'Empty Subject Alternative Name extension',
  'Subject empty and Subject Alt Name extension not critical',
  'Basic Constraints of CA cert not marked critical',
  'Authority Key Identifier marked critical',
  'Subject Key Identifier marked critical',
  'CA cert does not include key usage extension',
  'Using cert extension requires at least X509v3',
  'Certificate public key has explicit ECC parameters',
]
