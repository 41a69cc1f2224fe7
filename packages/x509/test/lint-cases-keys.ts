/**
 * Cases of the lint rules about keys and signatures.
 *
 * @module
 */
import {
  bitString,
  encodeDer,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
} from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { handKey } from './hand-made.ts'
import { authorityKeyId, flagged, usage } from './lint-certificates.ts'

import {
  type LintCase,
  spki,
  oddModulus,
  rsaKey,
  ecKey,
  plainKey,
  withKey,
  rsa,
  only,
  signed,
} from './lint-case.ts'

/** By rule. */
export const KEYS_CASES: { [id: string]: LintCase } = {
  // Keys and signatures.
  'rsa-too-small': { profile: 'server', refused: withKey(rsaKey(1024, 65_537n)), accepted: rsa },
  'rsa-too-large': { profile: 'server', refused: withKey(rsaKey(8193, 65_537n)), accepted: rsa },
  'rsa-exponent': { profile: 'server', refused: withKey(rsaKey(2048, 3n)), accepted: rsa },
  'rsa-modulus': {
    profile: 'server',
    refused: withKey(rsaKey(2048, 65_537n, 2n ** 2047n)),
    accepted: rsa,
  },
  'rsa-factors': {
    profile: 'server',
    refused: withKey(rsaKey(2048, 65_537n, oddModulus(2038) * 751n)),
    accepted: rsa,
  },
  'rsa-pss-key': {
    profile: 'server',
    refused: withKey(
      spki(
        sequence(oid(OID.rsaPss)),
        encodeDer(sequence(integer(oddModulus(2048)), integer(65_537))),
      ),
    ),
    accepted: rsa,
  },
  'ec-curve': {
    profile: 'server',
    refused: withKey(ecKey(OID.secp256k1, 64)),
    accepted: withKey(ecKey(OID.p384, 96)),
  },
  'ec-point': {
    profile: 'server',
    refused: withKey(ecKey(OID.p256, 32, 2)),
    accepted: withKey(ecKey(OID.p256, 64)),
  },
  'key-kind': {
    profile: 'server',
    refused: withKey(plainKey('1.3.101.110', 32)),
    accepted: withKey(plainKey(OID.ed25519, 32)),
  },
  'key-few-clients': { profile: 'server', refused: withKey(plainKey(OID.mlDsa65, 1952)) },
  'signature-broken': {
    profile: 'server',
    refused: signed(OID.md5WithRsa, nullValue()),
    accepted: signed(OID.sha256WithRsa, nullValue()),
  },
  'signature-sha1': { profile: 'server', refused: signed(OID.ecdsaWithSha1) },
  'signature-old-root': { profile: 'root', refused: signed(OID.ecdsaWithSha1) },
  'key-usage-empty': { profile: 'server', refused: only(OID.keyUsage, usage([])) },
  'key-usage-not-critical': {
    profile: 'server',
    refused: only(
      OID.keyUsage,
      flagged(OID.keyUsage, undefined, bitString(Uint8Array.of(0x80), 7)),
    ),
  },
  'leaf-key-usage-missing': { profile: 'server', refused: only(OID.keyUsage, undefined) },
  'key-usage-no-signature': {
    profile: 'server',
    refused: only(OID.keyUsage, usage(['keyAgreement'])),
  },
  'key-usage-encipherment': {
    profile: 'server',
    refused: only(OID.keyUsage, usage(['digitalSignature', 'keyEncipherment'])),
    accepted: {
      spki: rsaKey(2048, 65_537n),
      extensions: {
        [OID.keyUsage]: usage(['digitalSignature', 'keyEncipherment']),
        [OID.subjectKeyIdentifier]: undefined,
      },
    },
  },
  'key-usage-agreement': {
    profile: 'server',
    refused: {
      spki: plainKey(OID.ed25519, 32),
      extensions: {
        [OID.keyUsage]: usage(['digitalSignature', 'keyAgreement']),
        [OID.subjectKeyIdentifier]: undefined,
      },
    },
    accepted: only(OID.keyUsage, usage(['digitalSignature', 'keyAgreement'])),
  },
  'key-usage-only-flags': {
    profile: 'server',
    refused: only(OID.keyUsage, usage(['digitalSignature', 'decipherOnly'])),
    accepted: only(OID.keyUsage, usage(['digitalSignature', 'keyAgreement', 'decipherOnly'])),
  },
  'key-usage-certifies': {
    profile: 'server',
    refused: only(OID.keyUsage, usage(['digitalSignature', 'keyCertSign'])),
  },
  'key-usage-lists': {
    profile: 'server',
    refused: only(OID.keyUsage, usage(['digitalSignature', 'cRLSign'])),
  },
  'subject-key-id-missing': {
    profile: 'issuer',
    refused: only(OID.subjectKeyIdentifier, undefined),
  },
  'leaf-subject-key-id-missing': {
    profile: 'server',
    refused: only(OID.subjectKeyIdentifier, undefined),
  },
  'key-of-issuer': {
    profile: 'server',
    refused: only(OID.authorityKeyIdentifier, authorityKeyId(handKey.publicKey.keyId())),
  },
  'subject-key-id-foreign': {
    profile: 'server',
    refused: only(
      OID.subjectKeyIdentifier,
      flagged(OID.subjectKeyIdentifier, undefined, octetString(new Uint8Array(20))),
    ),
  },
}
