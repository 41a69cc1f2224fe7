/**
 * The one table from what OpenSSL, Node and TLS alerts say to our reasons.
 *
 * Node names 28 of OpenSSL's 95 verification results and calls the rest `UNSPECIFIED`, so a row has Node's codes and
 * parts of OpenSSL's text. An alert is known by its number or by the end of Node's code.
 *
 * Not here: looking things up (`reasons.ts`), and the facts of one connection (`failure.ts`).
 *
 * @module
 */
import type { ReasonCode, TlsErrorCode } from './errors.ts'

/** Why something was refused: our code, the fault, the way out. */
export interface Reason<Code extends TlsErrorCode = ReasonCode> {
  code: Code
  message: string
  hint: string
}

/** One row: what it matches, and what it says. */
export interface Row extends Reason<TlsErrorCode> {
  nodeCodes?: readonly string[] | undefined
  /** Parts of OpenSSL's text, lower case. */
  texts?: readonly string[] | undefined
  /** A TLS alert that the other side sent (RFC 8446 §6). */
  alert?: { number: number; name: string } | undefined
}

function refusedClient(number: number, name: string, why: string, hint: string): Row {
  return {
    code: 'server-refused-client-cert',
    alert: { number, name },
    message: `the server refused the client certificate: ${why}`,
    hint,
  }
}

const OWN_ISSUER_HINT =
  'ask the server for the authorities it accepts, and present a certificate of one of them with its intermediates'

/** Verification results: OpenSSL's numbers stand behind each row; alerts and Node's own codes follow. */
export const ROWS: readonly Row[] = [
  {
    // 2, 20
    code: 'untrusted-root',
    nodeCodes: ['UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    texts: ['unable to get issuer certificate', 'unable to get local issuer certificate'],
    message: 'the chain ends at an authority that is not trusted',
    hint: 'pass the root it was issued under as `ca` (only it) or `extraCa` (it too), or name its file in COUNTERSIGN_CA',
  },
  {
    // 21
    code: 'missing-intermediate',
    nodeCodes: ['UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    texts: ['unable to verify the first certificate', 'issuer certificate lookup error'],
    message: 'the issuer of the certificate was neither sent nor is it trusted',
    hint: 'let the server send its whole chain (leaf, then intermediates); or pass the issuer as `extraCa`',
  },
  {
    // 29, 30, 31, 6
    code: 'key-mismatch',
    nodeCodes: ['UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY'],
    texts: [
      'subject issuer mismatch',
      'authority and subject key identifier mismatch',
      'authority and issuer serial number mismatch',
    ],
    message: 'a trusted authority has the right name but another key',
    hint: 'the authority was made again: fetch its new root and replace the old file',
  },
  {
    // 19, before 18: its text holds the other's
    code: 'untrusted-root-sent',
    nodeCodes: ['SELF_SIGNED_CERT_IN_CHAIN'],
    texts: [
      'self-signed certificate in certificate chain',
      'self signed certificate in certificate chain',
    ],
    message: 'the root of the chain was sent along, but it is not trusted',
    hint: 'a root on the wire proves nothing: get it from its owner, compare fingerprints, then pass it as `ca` or `extraCa`',
  },
  {
    // 18
    code: 'self-signed',
    nodeCodes: ['DEPTH_ZERO_SELF_SIGNED_CERT'],
    texts: ['self-signed certificate', 'self signed certificate'],
    message: 'the certificate is signed by itself and is not trusted',
    hint: 'compare its fingerprint with the one of its owner, then pass the certificate itself as `ca`',
  },
  {
    // 9, 13
    code: 'not-yet-valid',
    nodeCodes: ['CERT_NOT_YET_VALID', 'ERROR_IN_CERT_NOT_BEFORE_FIELD'],
    texts: ['certificate is not yet valid', "certificate's notbefore"],
    message: 'a certificate is not valid yet',
    hint: 'check the clocks of both machines',
  },
  {
    // 10, 14
    code: 'expired',
    nodeCodes: ['CERT_HAS_EXPIRED', 'ERROR_IN_CERT_NOT_AFTER_FIELD'],
    texts: ['certificate has expired', "certificate's notafter"],
    message: 'a certificate has expired',
    hint: 'issue it again (countersign issue NAME), and check the clock of this machine',
  },
  {
    // 4, 7, 76-78
    code: 'bad-signature',
    nodeCodes: ['CERT_SIGNATURE_FAILURE', 'UNABLE_TO_DECRYPT_CERT_SIGNATURE'],
    texts: [
      'certificate signature failure',
      "decrypt certificate's signature",
      'cannot find certificate signature algorithm',
      'signature algorithm and issuer public key algorithm mismatch',
      'cert info signature and signature algorithm mismatch',
    ],
    message: 'a signature in the chain does not verify',
    hint: 'the certificate was changed, or its issuer was made again under the same name: issue it anew',
  },
  {
    // 23
    code: 'revoked',
    nodeCodes: ['CERT_REVOKED'],
    texts: ['certificate revoked'],
    message: 'a certificate was revoked by its issuer',
    hint: 'issue a new certificate for the service; the old key must not be used again',
  },
  {
    // 3, 33, 44, 54
    code: 'crl-missing',
    nodeCodes: ['UNABLE_TO_GET_CRL', 'UNABLE_TO_GET_CRL_ISSUER'],
    texts: [
      'unable to get certificate crl',
      'unable to get crl issuer',
      'different crl scope',
      'crl path validation',
    ],
    message: 'there is no usable revocation list for an authority of the chain',
    hint: 'give one list for every authority of the chain, the root included, in `crl`',
  },
  {
    // 5, 8, 11, 12, 15, 16, 35, 36
    code: 'crl-stale',
    nodeCodes: [
      'CRL_HAS_EXPIRED',
      'CRL_NOT_YET_VALID',
      'CRL_SIGNATURE_FAILURE',
      'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
      'ERROR_IN_CRL_LAST_UPDATE_FIELD',
      'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
    ],
    texts: [
      'crl has expired',
      'crl is not yet valid',
      'crl signature failure',
      "decrypt crl's signature",
      "in crl's lastupdate",
      "in crl's nextupdate",
      'key usage does not include crl signing',
      'unhandled critical crl extension',
    ],
    message: 'a revocation list is out of date or cannot be verified',
    hint: 'fetch the newest list of that authority, and check the clock of this machine',
  },
  {
    // 62, 63, 64
    code: 'name-mismatch',
    nodeCodes: ['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH'],
    texts: ['hostname mismatch', 'ip address mismatch', 'email address mismatch'],
    message: 'the certificate is for other names',
    hint: 'connect by a name the certificate holds, or issue it again with this name added',
  },
  {
    // 26, 39, 82
    code: 'wrong-purpose',
    nodeCodes: ['INVALID_PURPOSE'],
    texts: [
      'unsuitable certificate purpose',
      'unsupported certificate purpose',
      'key usage does not include digital signature',
      'keycertsign invalid for non-ca',
    ],
    message: 'a certificate was not issued for this use',
    hint: 'servers need extended key usage serverAuth, clients clientAuth: issue it again with the right profile',
  },
  {
    // 24, 32, 37, 79, 89
    code: 'not-a-ca',
    nodeCodes: ['INVALID_CA'],
    texts: [
      'invalid ca certificate',
      'invalid non-ca certificate',
      "issuer certificate doesn't have a public key",
      'key usage does not include certificate signing',
      'basic constraints of ca cert not marked critical',
    ],
    message: 'a certificate in the chain signed another, but is no authority',
    hint: 'issue from a certificate with basicConstraints CA:TRUE and key usage keyCertSign',
  },
  {
    // 22, 25, 38, 55, 80, 81
    code: 'path-too-long',
    nodeCodes: ['CERT_CHAIN_TOO_LONG', 'PATH_LENGTH_EXCEEDED'],
    texts: ['certificate chain too long', 'path length', 'path loop'],
    message: 'the chain is longer than one of its authorities allows',
    hint: 'issue from an authority nearer to the root, or make that authority again with a larger path length',
  },
  {
    // 34, 41, 45
    code: 'critical-extension',
    texts: [
      'unhandled critical extension',
      'invalid or inconsistent certificate extension',
      'unsupported extension feature',
    ],
    message: 'a certificate has a critical extension that cannot be honoured',
    hint: 'issue it again without that extension, or with the extension not critical',
  },
  {
    // 46, 47, 48, 49, 51-53
    code: 'name-constraint',
    texts: [
      'permitted subtree violation',
      'excluded subtree violation',
      'name constraint',
      'unsupported or invalid name syntax',
      "resource not subset of parent's",
    ],
    message: 'an authority of the chain may not sign for this name',
    hint: 'use a name inside the permitted trees of that authority, or another authority',
  },
  {
    // 66, 67, 68, 94; and the same found in our own certificate
    code: 'weak-crypto',
    nodeCodes: [
      'ERR_SSL_EE_KEY_TOO_SMALL',
      'ERR_SSL_CA_KEY_TOO_SMALL',
      'ERR_SSL_CA_MD_TOO_WEAK',
      'ERR_SSL_DH_KEY_TOO_SMALL',
      'ERR_TLS_DH_PARAM_SIZE',
    ],
    texts: [
      'key too weak',
      'key too small',
      'md too weak',
      'digest algorithm too weak',
      'explicit ecc parameters',
    ],
    message: 'a key or a hash of the chain is too weak',
    hint: 'issue it again: RSA of 2048 bits or more or P-256, signed with SHA-256 or better',
  },
  {
    // 27, 28, 42, 43, 50, 56-61, 65, 69, 71-75, 83-93
    code: 'rejected-by-policy',
    nodeCodes: ['CERT_UNTRUSTED', 'CERT_REJECTED'],
    texts: [
      'certificate not trusted',
      'certificate rejected',
      'certificate policy extension',
      'no explicit policy',
      'application verification failure',
      'suite b',
      'no matching dane',
      'certificate transparency required',
      'proxy certificates not allowed',
      'proxy subject name violation',
      'ocsp verification',
      'ocsp unknown cert',
      'missing authority key identifier',
      'missing subject key identifier',
      'key identifier marked critical',
      'issuer name empty',
      'subject name empty',
      'empty subject alternative name',
      'subject alt name extension not critical',
      'does not include key usage extension',
      'requires at least x509v3',
    ],
    message: 'the chain breaks a rule of the verifier',
    hint: 'countersign show FILE says what is in it',
  },
  refusedClient(
    116,
    'CERTIFICATE_REQUIRED',
    'none was presented and it wants one',
    'pass your certificate and key as `cert` and `key`',
  ),
  refusedClient(48, 'UNKNOWN_CA', 'it does not trust its issuer', OWN_ISSUER_HINT),
  refusedClient(
    45,
    'CERTIFICATE_EXPIRED',
    'it has expired',
    'issue it again (countersign issue NAME), and check the clock of the server',
  ),
  refusedClient(
    44,
    'CERTIFICATE_REVOKED',
    'it was revoked',
    'ask the authority for a new certificate with a new key',
  ),
  refusedClient(
    43,
    'UNSUPPORTED_CERTIFICATE',
    'it was not issued for clients',
    'present a certificate with extended key usage clientAuth',
  ),
  refusedClient(42, 'BAD_CERTIFICATE', 'it or its chain is not acceptable', OWN_ISSUER_HINT),
  refusedClient(46, 'CERTIFICATE_UNKNOWN', 'it is not acceptable', OWN_ISSUER_HINT),
  refusedClient(
    49,
    'ACCESS_DENIED',
    'its owner has no access',
    'ask the operator of the server for access',
  ),
  {
    code: 'not-tls',
    nodeCodes: [
      'ERR_SSL_WRONG_VERSION_NUMBER',
      'ERR_SSL_HTTP_REQUEST',
      'ERR_SSL_HTTPS_PROXY_REQUEST',
      'ERR_SSL_PACKET_LENGTH_TOO_LONG',
    ],
    texts: ['wrong version number', ':http request:', ':https proxy request:'],
    message: 'the other side does not speak TLS on this port',
    hint: 'it probably speaks plain HTTP: use http://, or the port that speaks https',
  },
  {
    code: 'reset',
    nodeCodes: ['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE'],
    texts: [
      'socket hang up',
      'disconnected before secure tls connection',
      'unexpected eof while reading',
    ],
    message: 'the connection was cut',
    hint: 'the other side, or something between, closed it without a reason: look into its log',
  },
  {
    code: 'protocol-mismatch',
    nodeCodes: ['ERR_SSL_UNSUPPORTED_PROTOCOL'],
    alert: { number: 70, name: 'PROTOCOL_VERSION' },
    message: 'the two sides share no version of TLS',
    hint: 'enable TLS 1.2 or 1.3 on the other side',
  },
  {
    code: 'alpn-mismatch',
    nodeCodes: ['ERR_SSL_NO_APPLICATION_PROTOCOL'],
    alert: { number: 120, name: 'NO_APPLICATION_PROTOCOL' },
    message: 'the two sides share no application protocol',
    hint: 'offer a protocol that the other side speaks, or let it speak http/1.1 as well',
  },
  {
    code: 'server-name-refused',
    alert: { number: 112, name: 'UNRECOGNIZED_NAME' },
    message: 'the server does not serve this name',
    hint: 'connect by a name that the server knows',
  },
  {
    code: 'no-client-certificate',
    nodeCodes: ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
    message: 'the client presented no certificate',
    hint: 'give the client a certificate of an authority in `ca`',
  },
  {
    code: 'handshake-timeout',
    nodeCodes: ['ERR_TLS_HANDSHAKE_TIMEOUT'],
    message: 'the handshake was not finished in time',
    hint: 'the other side may not speak TLS, or waits for something',
  },
  {
    code: 'handshake-failed',
    nodeCodes: ['ERR_SSL_NO_SHARED_CIPHER', 'ERR_SSL_NO_SUITABLE_GROUPS'],
    alert: { number: 40, name: 'HANDSHAKE_FAILURE' },
    message: 'the two sides share no cipher, group or signature algorithm',
    hint: 'let the other side offer TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20, and a certificate for this name',
  },
  {
    code: 'connect-failed',
    nodeCodes: ['ECONNREFUSED'],
    message: 'nothing listens there',
    hint: 'start the server, or check host and port',
  },
  {
    code: 'connect-failed',
    nodeCodes: ['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'EAI_NONAME'],
    message: 'the host name has no address',
    hint: 'check the spelling of the host and the name service of this machine',
  },
  {
    code: 'connect-failed',
    nodeCodes: ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL'],
    message: 'the host cannot be reached',
    hint: 'check the network and the firewall between the two machines',
  },
  {
    code: 'client-refused-server-cert',
    message: 'the client refused the certificate of this server',
    hint: 'give the client the root this certificate was issued under',
  },
]
