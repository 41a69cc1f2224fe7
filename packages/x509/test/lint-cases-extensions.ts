/**
 * Cases of the lint rules about authorities, purposes and other extensions.
 *
 * @module
 */
import {
  boolean,
  context,
  contextPrimitive,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
  utf8String,
} from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { attribute, name, text } from './hand-made.ts'
import {
  access,
  ALL_CONSTRAINED,
  alt,
  basic,
  CLIENT_AUTH,
  COMMON_NAME,
  constraints,
  dns,
  flagged,
  points,
  purposes,
  range,
  SERVER_AUTH,
  usage,
  validity,
} from './lint-certificates.ts'

import { type LintCase, only, trees, constrained, KEY_ID, acme, ocspSigning } from './lint-case.ts'

/** By rule. */
export const EXTENSIONS_CASES: { [id: string]: LintCase } = {
  // Authorities.
  'basic-constraints-missing': {
    profile: 'root',
    refused: only(OID.basicConstraints, undefined),
  },
  'basic-constraints-not-critical': {
    profile: 'root',
    refused: only(OID.basicConstraints, basic(undefined, boolean(true), integer(0))),
  },
  'path-length-missing': {
    profile: 'issuer',
    refused: only(OID.basicConstraints, basic(true, boolean(true))),
  },
  'path-length-without-authority': {
    profile: 'server',
    refused: only(OID.basicConstraints, basic(true, integer(0))),
    accepted: only(OID.basicConstraints, basic(true)),
  },
  'leaf-is-authority': {
    profile: 'server',
    refused: only(OID.basicConstraints, basic(true, boolean(true))),
    accepted: only(OID.basicConstraints, basic(true)),
  },
  'authority-key-usage-missing': { profile: 'root', refused: only(OID.keyUsage, undefined) },
  'authority-cannot-certify': { profile: 'root', refused: only(OID.keyUsage, usage(['cRLSign'])) },
  'authority-cannot-revoke': {
    profile: 'root',
    refused: only(OID.keyUsage, usage(['keyCertSign'])),
  },
  'root-authority-key-id-foreign': {
    profile: 'root',
    refused: only(
      OID.authorityKeyIdentifier,
      flagged(
        OID.authorityKeyIdentifier,
        undefined,
        sequence(contextPrimitive(0, new Uint8Array(20))),
      ),
    ),
    accepted: only(OID.authorityKeyIdentifier, undefined),
  },
  'name-constraints-on-leaf': { profile: 'server', refused: constrained },
  'name-constraints-not-critical': {
    profile: 'issuer',
    refused: only(
      OID.nameConstraints,
      flagged(
        OID.nameConstraints,
        undefined,
        sequence(context(0, ...ALL_CONSTRAINED.map((tree) => sequence(tree)))),
      ),
    ),
    accepted: constrained,
  },
  'name-constraints-empty': {
    profile: 'issuer',
    refused: only(OID.nameConstraints, constraints([])),
    accepted: constrained,
  },
  'name-constraints-leading-dot': {
    profile: 'issuer',
    refused: trees(dns('.corp.internal'), ...ALL_CONSTRAINED),
    accepted: constrained,
  },
  'name-constraints-dns-form': {
    profile: 'issuer',
    refused: trees(dns('10.0.0.0'), ...ALL_CONSTRAINED),
    accepted: constrained,
  },
  'name-constraints-ip-range': {
    profile: 'issuer',
    refused: trees(range('0a000000ff00ff00'), ...ALL_CONSTRAINED),
    accepted: constrained,
  },
  'name-constraints-let-addresses-through': {
    profile: 'issuer',
    refused: trees(dns('corp.internal'), text(0x81, 'corp.internal'), text(0x86, 'corp.internal')),
    accepted: only(
      OID.nameConstraints,
      constraints(
        [dns('corp.internal'), text(0x81, 'corp.internal'), text(0x86, 'corp.internal')],
        [range('0'.repeat(16)), range('0'.repeat(64))],
      ),
    ),
  },
  'name-constraints-let-others-through': {
    profile: 'issuer',
    refused: trees(dns('corp.internal'), range('0a000000ff000000')),
    accepted: constrained,
  },
  'critical-extension-unknown': {
    profile: 'server',
    refused: only('1.2.3', flagged('1.2.3', true, nullValue())),
    accepted: only(acme, flagged(acme, true, octetString(new Uint8Array(32)))),
  },

  // Purposes.
  'purpose-empty': { profile: 'server', refused: only(OID.extendedKeyUsage, purposes()) },
  'purpose-missing': { profile: 'server', refused: only(OID.extendedKeyUsage, undefined) },
  'purpose-no-server': {
    profile: 'server',
    refused: only(OID.extendedKeyUsage, purposes(CLIENT_AUTH)),
  },
  'purpose-no-client': {
    profile: 'client',
    refused: only(OID.extendedKeyUsage, purposes(SERVER_AUTH)),
  },
  'purpose-client-with-host': {
    profile: 'client',
    refused: only(OID.subjectAltName, alt(undefined, dns('api.corp.internal'))),
  },
  'purpose-both': {
    profile: 'server',
    refused: only(OID.extendedKeyUsage, purposes(SERVER_AUTH, CLIENT_AUTH)),
  },
  'purpose-any': {
    profile: 'server',
    refused: only(OID.extendedKeyUsage, purposes(OID.anyExtendedKeyUsage)),
  },
  'purpose-twice': {
    profile: 'server',
    refused: only(OID.extendedKeyUsage, purposes(SERVER_AUTH, SERVER_AUTH)),
  },
  'purpose-on-root': {
    profile: 'root',
    refused: only(OID.extendedKeyUsage, purposes(SERVER_AUTH)),
  },
  'purpose-ocsp-without-nocheck': {
    profile: 'leaf',
    refused: only(OID.extendedKeyUsage, purposes(ocspSigning)),
    accepted: {
      extensions: { [OID.extendedKeyUsage]: purposes(ocspSigning) },
      more: [flagged(OID.ocspNoCheck, undefined, nullValue())],
    },
  },

  // Other extensions.
  'authority-key-id-missing': {
    profile: 'server',
    refused: only(OID.authorityKeyIdentifier, undefined),
  },
  'authority-key-id-without-id': {
    profile: 'server',
    refused: only(
      OID.authorityKeyIdentifier,
      flagged(OID.authorityKeyIdentifier, undefined, sequence()),
    ),
  },
  'authority-key-id-by-serial': {
    profile: 'server',
    refused: only(
      OID.authorityKeyIdentifier,
      flagged(
        OID.authorityKeyIdentifier,
        undefined,
        sequence(
          contextPrimitive(0, KEY_ID),
          context(1, context(4, name([attribute(COMMON_NAME, utf8String('Root'))]))),
          contextPrimitive(2, Uint8Array.of(1)),
        ),
      ),
    ),
  },
  'extension-must-not-be-critical': {
    profile: 'server',
    refused: only(
      OID.subjectKeyIdentifier,
      flagged(OID.subjectKeyIdentifier, true, octetString(KEY_ID)),
    ),
  },
  'extension-must-be-critical': {
    profile: 'issuer',
    refused: only(OID.inhibitAnyPolicy, flagged(OID.inhibitAnyPolicy, undefined, integer(0))),
    accepted: only(OID.inhibitAnyPolicy, flagged(OID.inhibitAnyPolicy, true, integer(0))),
  },
  'crl-point-over-https': {
    profile: 'server',
    refused: only(OID.crlDistributionPoints, points(undefined, 'https://a/b.crl')),
    accepted: only(OID.crlDistributionPoints, points(undefined, 'http://a/b.crl')),
  },
  'crl-point-without-url': {
    profile: 'server',
    refused: only(OID.crlDistributionPoints, points(undefined, 'ldap://a/b')),
    accepted: only(OID.crlDistributionPoints, points(undefined, 'ldap://a/b', 'http://a/b.crl')),
  },
  'crl-point-empty': {
    profile: 'server',
    refused: only(
      OID.crlDistributionPoints,
      flagged(OID.crlDistributionPoints, undefined, sequence(sequence())),
    ),
    accepted: only(OID.crlDistributionPoints, points(undefined, 'http://a/b.crl')),
  },
  'crl-point-critical': {
    profile: 'server',
    refused: only(OID.crlDistributionPoints, points(true, 'http://a/b.crl')),
    accepted: only(OID.crlDistributionPoints, points(undefined, 'http://a/b.crl')),
  },
  'revocation-untold': {
    profile: 'server',
    refused: { validity: validity('2026-01-01', '2026-03-01') },
    accepted: {
      validity: validity('2026-01-01', '2026-03-01'),
      extensions: { [OID.authorityInfoAccess]: access(OID.ocsp, 'http://a/ocsp') },
    },
  },
  'access-over-https': {
    profile: 'server',
    refused: only(OID.authorityInfoAccess, access(OID.caIssuers, 'https://a/b.crt')),
    accepted: only(OID.authorityInfoAccess, access(OID.caIssuers, 'http://a/b.crt')),
  },
  'access-empty': {
    profile: 'server',
    refused: only(OID.authorityInfoAccess, flagged(OID.authorityInfoAccess, undefined, sequence())),
  },
  'policies-empty': {
    profile: 'server',
    refused: only(OID.certificatePolicies, flagged(OID.certificatePolicies, undefined, sequence())),
  },
  'policies-twice': {
    profile: 'server',
    refused: only(
      OID.certificatePolicies,
      flagged(
        OID.certificatePolicies,
        undefined,
        sequence(sequence(oid('1.2.3')), sequence(oid('1.2.3'))),
      ),
    ),
    accepted: only(
      OID.certificatePolicies,
      flagged(
        OID.certificatePolicies,
        undefined,
        sequence(sequence(oid('1.2.3')), sequence(oid('1.2.4'))),
      ),
    ),
  },
  'policy-mapping-any': {
    profile: 'issuer',
    refused: only(
      OID.policyMappings,
      flagged(OID.policyMappings, true, sequence(sequence(oid(OID.anyPolicy), oid('1.2.3')))),
    ),
    accepted: only(
      OID.policyMappings,
      flagged(OID.policyMappings, true, sequence(sequence(oid('1.2.4'), oid('1.2.3')))),
    ),
  },
  'policy-constraints-empty': {
    profile: 'issuer',
    refused: only(OID.policyConstraints, flagged(OID.policyConstraints, true, sequence())),
    accepted: only(
      OID.policyConstraints,
      flagged(OID.policyConstraints, true, sequence(contextPrimitive(0, Uint8Array.of(0)))),
    ),
  },
  'policy-rules-on-leaf': {
    profile: 'server',
    refused: only(OID.inhibitAnyPolicy, flagged(OID.inhibitAnyPolicy, true, integer(0))),
  },
  'netscape-extension': {
    profile: 'server',
    refused: only(
      '2.16.840.1.113730.1.13',
      flagged('2.16.840.1.113730.1.13', undefined, text(0x16, 'OpenSSL Generated Certificate')),
    ),
  },
}
