/**
 * Defects about keys, their identifiers and what they may be used for.
 *
 * @module
 */
import {
  boolean,
  context,
  contextPrimitive,
  integer,
  octetString,
  sequence,
  utf8String,
} from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { attribute, handKey, name } from './hand-made.ts'
import { ecKey, oddModulus, only, plainKey, rsa, rsaKey, withKey } from './lint-case.ts'
import {
  authorityKeyId,
  basic,
  type Changes,
  COMMON_NAME,
  flagged,
  usage,
} from './lint-certificates.ts'
import type { LintRow } from './lint-row.ts'

const keyUsages = (...args: Parameters<typeof usage>): Changes => only(OID.keyUsage, usage(...args))
const byDirectoryName = sequence(
  context(1, context(4, name([attribute(COMMON_NAME, utf8String('Easy-RSA CA'))]))),
  contextPrimitive(2, Uint8Array.of(1)),
)

/** What authorities get wrong about keys, their identifiers and what they may be used for. */
export const KEY_ROWS: readonly LintRow[] = [
  {
    what: 'an authority key identifier of name and serial number, as easy-rsa writes it',
    profile: 'server',
    rules: ['authority-key-id-without-id', 'authority-key-id-by-serial'],
    bad: only(
      OID.authorityKeyIdentifier,
      flagged(OID.authorityKeyIdentifier, undefined, byDirectoryName),
    ),
  },
  {
    what: 'a root without subject key identifier',
    profile: 'root',
    rules: ['subject-key-id-missing'],
    bad: {
      extensions: {
        [OID.subjectKeyIdentifier]: undefined,
        [OID.authorityKeyIdentifier]: undefined,
      },
    },
    good: only(OID.authorityKeyIdentifier, undefined),
  },
  {
    what: 'a subject key identifier that is not made from the key',
    profile: 'issuer',
    rules: ['subject-key-id-foreign'],
    bad: only(
      OID.subjectKeyIdentifier,
      flagged(OID.subjectKeyIdentifier, undefined, octetString(new Uint8Array(20))),
    ),
  },
  {
    what: 'a root that names another authority key',
    profile: 'root',
    rules: ['root-authority-key-id-foreign'],
    bad: only(OID.authorityKeyIdentifier, authorityKeyId(new Uint8Array(20))),
    tellProfile: true,
  },
  {
    what: 'an issuer without basic constraints',
    profile: 'issuer',
    rules: ['basic-constraints-missing'],
    bad: only(OID.basicConstraints, undefined),
  },
  {
    what: 'an issuer without path length',
    profile: 'issuer',
    rules: ['path-length-missing'],
    bad: only(OID.basicConstraints, basic(true, boolean(true))),
  },
  {
    what: 'a leaf that says CA:TRUE, as mkcert copied it from a request',
    profile: 'server',
    rules: ['leaf-is-authority'],
    bad: only(OID.basicConstraints, basic(true, boolean(true))),
    good: only(OID.basicConstraints, basic(true)),
    tellProfile: true,
  },
  {
    what: 'a leaf with a path length',
    profile: 'server',
    rules: ['path-length-without-authority'],
    bad: only(OID.basicConstraints, basic(true, integer(0))),
    good: only(OID.basicConstraints, basic(true)),
  },
  {
    what: 'a key usage that is not critical',
    profile: 'issuer',
    rules: ['key-usage-not-critical'],
    bad: only(OID.keyUsage, usage(['keyCertSign', 'cRLSign'], false)),
  },
  {
    what: 'a root that cannot sign revocation lists, as mkcert makes it',
    profile: 'root',
    rules: ['authority-cannot-revoke'],
    bad: keyUsages(['keyCertSign']),
  },
  {
    what: 'an issuer that cannot sign certificates',
    profile: 'issuer',
    rules: ['authority-cannot-certify'],
    bad: keyUsages(['digitalSignature', 'cRLSign']),
  },
  {
    what: 'a leaf that can sign certificates',
    profile: 'client',
    rules: ['key-usage-certifies'],
    bad: keyUsages(['digitalSignature', 'keyCertSign']),
    tellProfile: true,
  },
  {
    what: 'an Ed25519 leaf with keyAgreement',
    profile: 'server',
    rules: ['key-usage-agreement'],
    bad: {
      spki: plainKey(OID.ed25519, 32),
      extensions: {
        [OID.keyUsage]: usage(['digitalSignature', 'keyAgreement']),
        [OID.subjectKeyIdentifier]: undefined,
      },
    },
    good: withKey(plainKey(OID.ed25519, 32)),
  },
  {
    what: 'an ML-DSA leaf with keyEncipherment',
    profile: 'server',
    rules: ['key-usage-encipherment'],
    bad: {
      spki: plainKey(OID.mlDsa65, 1952),
      extensions: {
        [OID.keyUsage]: usage(['digitalSignature', 'keyEncipherment']),
        [OID.subjectKeyIdentifier]: undefined,
      },
    },
    good: withKey(plainKey(OID.mlDsa65, 1952)),
  },
  {
    what: 'a leaf with the key of its issuer',
    profile: 'server',
    rules: ['key-of-issuer'],
    bad: only(OID.authorityKeyIdentifier, authorityKeyId(handKey.publicKey.keyId())),
  },
  {
    what: 'an RSA key with the exponent 3',
    profile: 'server',
    rules: ['rsa-exponent'],
    bad: withKey(rsaKey(2048, 3n)),
    good: rsa,
  },
  {
    what: 'an RSA key with a small factor',
    profile: 'server',
    rules: ['rsa-factors'],
    bad: withKey(rsaKey(2048, 65_537n, oddModulus(2038) * 751n)),
    good: rsa,
  },
  {
    what: 'an RSA key from the generator of CVE-2017-15361',
    profile: 'server',
    rules: ['rsa-factors'],
    // Its moduli are powers of 65537 modulo every small prime; a power itself is the plainest of them.
    bad: withKey(rsaKey(2049, 65_537n, 65_537n ** 128n)),
    good: rsa,
  },
  {
    what: 'a key on a curve that TLS does not know',
    profile: 'server',
    rules: ['ec-curve'],
    bad: withKey(ecKey(OID.secp256k1, 64)),
    good: withKey(ecKey(OID.p384, 96)),
  },
]
