/**
 * Defects about names, purposes, times and the other extensions.
 *
 * @module
 */
import {
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
import { name, text } from './hand-made.ts'
import { acme, general, names, ocspSigning, only, trees, utc } from './lint-case.ts'
import {
  access,
  ALL_CONSTRAINED,
  alt,
  type Changes,
  CLIENT_AUTH,
  COMMON_NAME,
  dns,
  flagged,
  points,
  purposes,
  range,
  SERVER_AUTH,
  subject,
  usage,
  validity,
} from './lint-certificates.ts'
import type { LintRow } from './lint-row.ts'

const policy = (dotted: string, critical: true | undefined): Changes =>
  only(dotted, flagged(dotted, critical, integer(0)))
const years = (count: number): Changes => ({
  validity: validity('2026-01-01', `${2026 + count}-01-01`),
  extensions: { [OID.crlDistributionPoints]: points(undefined, 'http://a/b.crl') },
})
const untilWritten = (end: ReturnType<typeof utc>): Changes => ({
  ...years(1),
  validity: sequence(utc('260101000000Z'), end),
})
const nocheck = flagged(OID.ocspNoCheck, undefined, nullValue())

/** What authorities write wrongly into names, purposes, times and the other extensions. */
export const CONTENT_ROWS: readonly LintRow[] = [
  {
    what: 'a host name in letters beyond ASCII',
    profile: 'server',
    rules: ['dns-name-not-ascii'],
    bad: names(dns('büro.corp.internal')),
    good: names(dns('xn--bro-hoa.corp.internal')),
  },
  {
    what: 'a host name in capital letters',
    profile: 'server',
    rules: ['dns-name-upper-case'],
    bad: names(dns('API.corp.internal')),
  },
  {
    what: 'an address as text in an iPAddress',
    profile: 'server',
    rules: ['ip-address-length'],
    bad: names(contextPrimitive(7, Buffer.from('10.0.0.1'))),
    good: names(contextPrimitive(7, Uint8Array.of(10, 0, 0, 1))),
  },
  {
    what: 'a wildcard over a whole top level',
    profile: 'server',
    rules: ['wildcard-too-wide'],
    bad: names(dns('*.internal')),
    good: names(dns('*.corp.internal')),
  },
  {
    what: 'a wildcard in the middle of a label',
    profile: 'server',
    rules: ['wildcard-form'],
    bad: names(dns('api*.corp.internal')),
    good: names(dns('*.corp.internal')),
  },
  {
    what: 'a common name that is not among the names',
    profile: 'server',
    rules: ['common-name-not-among-names'],
    bad: { ...namedBeside('www.corp.internal') },
    good: { ...namedBeside('api.corp.internal') },
  },
  {
    what: 'a common name of more than 64 characters',
    profile: 'client',
    rules: ['name-attribute-too-long'],
    bad: { subject: subject(COMMON_NAME, utf8String('a'.repeat(65))) },
    good: { subject: subject(COMMON_NAME, utf8String('a'.repeat(64))) },
  },
  {
    what: 'version 1, as openssl x509 -req issues it without -extfile',
    profile: 'server',
    rules: ['version-below-3', 'san-missing', 'authority-key-id-missing', 'purpose-missing'],
    bad: {
      version: new Uint8Array(),
      subject: subject(COMMON_NAME, utf8String('api.corp.internal')),
      extensions: {
        [OID.keyUsage]: undefined,
        [OID.extendedKeyUsage]: undefined,
        [OID.subjectAltName]: undefined,
        [OID.subjectKeyIdentifier]: undefined,
        [OID.authorityKeyIdentifier]: undefined,
      },
    },
  },
  {
    what: 'extensions in version 2',
    profile: 'server',
    rules: ['version-without-extensions'],
    bad: { version: context(0, integer(1)) },
  },
  {
    what: 'one certificate for servers and clients',
    profile: 'server',
    rules: ['purpose-both'],
    bad: only(OID.extendedKeyUsage, purposes(SERVER_AUTH, CLIENT_AUTH)),
  },
  {
    what: 'a leaf for anything',
    profile: 'server',
    rules: ['purpose-any'],
    bad: only(OID.extendedKeyUsage, purposes(OID.anyExtendedKeyUsage)),
  },
  {
    what: 'an extended key usage on a root',
    profile: 'root',
    rules: ['purpose-on-root'],
    bad: only(OID.extendedKeyUsage, purposes(SERVER_AUTH)),
  },
  {
    what: 'an end with fractions of a second',
    profile: 'root',
    rules: ['validity-fraction'],
    bad: untilWritten(general('20510101000000.5Z')),
    good: untilWritten(general('20500101000000Z')),
  },
  {
    what: 'an end after 2049 as UTCTime',
    profile: 'root',
    rules: ['validity-utc-after-2049', 'validity-inverted'],
    bad: untilWritten(utc('550101000000Z')),
    good: untilWritten(general('20500101000000Z')),
  },
  {
    what: 'an end before 2050 as GeneralizedTime',
    profile: 'root',
    rules: ['validity-generalized-before-2050'],
    bad: untilWritten(general('20491231235959Z')),
    good: untilWritten(utc('491231235959Z')),
  },
  {
    what: 'an end in local time',
    profile: 'server',
    rules: ['validity-form', 'certificate-unreadable'],
    bad: untilWritten(utc('260108000000+0100')),
    tellProfile: true,
  },
  {
    what: 'constraints that are not critical',
    profile: 'issuer',
    rules: ['name-constraints-not-critical'],
    bad: only(
      OID.nameConstraints,
      flagged(
        OID.nameConstraints,
        undefined,
        sequence(context(0, ...ALL_CONSTRAINED.map((tree) => sequence(tree)))),
      ),
    ),
    good: trees(...ALL_CONSTRAINED),
  },
  {
    what: 'constraints in a leaf',
    profile: 'server',
    rules: ['name-constraints-on-leaf'],
    bad: trees(...ALL_CONSTRAINED),
  },
  {
    what: 'a constraint with a dot in front',
    profile: 'root',
    rules: ['name-constraints-leading-dot'],
    bad: trees(dns('.corp.internal'), ...ALL_CONSTRAINED),
    good: trees(...ALL_CONSTRAINED),
  },
  {
    what: 'a constraint on addresses whose mask has holes',
    profile: 'issuer',
    rules: ['name-constraints-ip-range'],
    bad: trees(range('0a000000ff00ff00'), ...ALL_CONSTRAINED),
    good: trees(...ALL_CONSTRAINED),
  },
  {
    what: 'a revocation list over https',
    profile: 'server',
    rules: ['crl-point-over-https'],
    bad: only(OID.crlDistributionPoints, points(undefined, 'https://a/b.crl')),
    good: only(OID.crlDistributionPoints, points(undefined, 'http://a/b.crl')),
  },
  {
    what: 'a revocation list by LDAP only',
    profile: 'issuer',
    rules: ['crl-point-without-url'],
    bad: only(OID.crlDistributionPoints, points(undefined, 'ldap://a/b')),
    good: only(OID.crlDistributionPoints, points(undefined, 'ldap://a/b', 'http://a/b.crl')),
  },
  {
    what: 'half a year without a place where revocation is told',
    profile: 'server',
    rules: ['revocation-untold'],
    bad: { validity: validity('2026-01-01', '2026-07-01') },
    good: {
      validity: validity('2026-01-01', '2026-07-01'),
      extensions: { [OID.authorityInfoAccess]: access(OID.ocsp, 'http://a/ocsp') },
    },
  },
  {
    what: 'an OCSP responder over https',
    profile: 'server',
    rules: ['access-over-https'],
    bad: only(OID.authorityInfoAccess, access(OID.ocsp, 'https://a/ocsp')),
    good: only(OID.authorityInfoAccess, access(OID.ocsp, 'http://a/ocsp')),
  },
  {
    what: 'an OCSP signer without nocheck',
    profile: 'leaf',
    rules: ['purpose-ocsp-without-nocheck'],
    bad: only(OID.extendedKeyUsage, purposes(ocspSigning)),
    good: { ...ocspSigner('2026-01-08') },
  },
  {
    what: 'an OCSP signer with nocheck for a year',
    profile: 'leaf',
    rules: ['ocsp-signer-lifetime'],
    bad: { ...ocspSigner('2027-01-01') },
    good: { ...ocspSigner('2026-01-08') },
  },
  {
    what: 'an acmeIdentifier that is not critical',
    profile: 'server',
    rules: ['extension-must-be-critical'],
    bad: only(acme, flagged(acme, undefined, octetString(new Uint8Array(32)))),
    good: only(acme, flagged(acme, true, octetString(new Uint8Array(32)))),
  },
  {
    what: 'inhibitAnyPolicy that is not critical',
    profile: 'issuer',
    rules: ['extension-must-be-critical'],
    bad: policy(OID.inhibitAnyPolicy, undefined),
    good: policy(OID.inhibitAnyPolicy, true),
  },
  {
    what: 'an empty issuer',
    profile: 'server',
    rules: ['issuer-empty'],
    bad: { issuer: name() },
  },
  {
    what: 'a NUL in a name',
    profile: 'client',
    rules: ['name-control-characters'],
    bad: { subject: subject(COMMON_NAME, utf8String('alice\0.evil')) },
  },
  {
    what: 'the same extension twice',
    profile: 'server',
    rules: ['extension-twice', 'certificate-unreadable'],
    bad: { more: [usage(['digitalSignature'])] },
    tellProfile: true,
  },
  {
    what: 'a leaf that names a mailbox with its display name',
    profile: 'client',
    rules: ['email-form'],
    bad: only(OID.subjectAltName, alt(undefined, text(0x81, 'Alice <a@corp.internal>'))),
    good: only(OID.subjectAltName, alt(undefined, text(0x81, 'a@corp.internal'))),
  },
  {
    what: 'an algorithm inside that is not the one outside',
    profile: 'server',
    rules: ['algorithm-mismatch'],
    bad: { innerAlgorithm: sequence(oid(OID.ecdsaWithSha384)) },
  },
]

function namedBeside(commonName: string): Changes {
  return {
    subject: subject(COMMON_NAME, utf8String(commonName)),
    extensions: { [OID.subjectAltName]: alt(undefined, dns('api.corp.internal')) },
  }
}

function ocspSigner(until: string): Changes {
  return {
    validity: validity('2026-01-01', until),
    extensions: {
      [OID.extendedKeyUsage]: purposes(ocspSigning),
      [OID.subjectAltName]: undefined,
      [OID.ocspNoCheck]: nocheck,
    },
  }
}
