/**
 * Defects that clients were measured to refuse, and some that they let pass.
 *
 * @module
 */
import {
  boolean,
  contextPrimitive,
  element,
  integer,
  nullValue,
  sequence,
  utf8String,
} from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { general, names, only, rsa, rsaKey, signed, trees, utc, withKey } from './lint-case.ts'
import {
  ALL_CONSTRAINED,
  alt,
  basic,
  type Changes,
  CLIENT_AUTH,
  COMMON_NAME,
  constraints,
  dns,
  flagged,
  points,
  purposes,
  range,
  subject,
  usage,
  validity,
} from './lint-certificates.ts'
import type { LintRow } from './lint-row.ts'

const commonNameOnly = (value: string): Changes => ({
  subject: subject(COMMON_NAME, utf8String(value)),
  extensions: { [OID.subjectAltName]: undefined },
})
const keyUsages = (...args: Parameters<typeof usage>): Changes => only(OID.keyUsage, usage(...args))
const years = (count: number): Changes => ({
  validity: validity('2026-01-01', `${2026 + count}-01-01`),
  extensions: { [OID.crlDistributionPoints]: points(undefined, 'http://a/b.crl') },
})
const untilWritten = (end: ReturnType<typeof utc>): Changes => ({
  ...years(1),
  validity: sequence(utc('260101000000Z'), end),
})

/** What clients were measured to refuse, and what they let pass all the same. */
export const MEASURED_ROWS: readonly LintRow[] = [
  {
    what: 'basic constraints of a root that are not critical, as easy-rsa 3.1.0 writes them',
    profile: 'root',
    rules: ['basic-constraints-not-critical'],
    bad: only(OID.basicConstraints, basic(undefined, boolean(true), integer(0))),
  },
  {
    what: 'a root without key usage, as openssl req -x509 writes it',
    profile: 'root',
    rules: ['authority-key-usage-missing'],
    bad: only(OID.keyUsage, undefined),
  },
  {
    what: 'a leaf without authority key identifier',
    profile: 'server',
    rules: ['authority-key-id-missing'],
    bad: only(OID.authorityKeyIdentifier, undefined),
  },
  {
    what: 'an issuer without authority key identifier',
    profile: 'issuer',
    rules: ['authority-key-id-missing'],
    bad: only(OID.authorityKeyIdentifier, undefined),
  },
  {
    what: 'a server with a common name and no other name, as easy-rsa issues it',
    profile: 'server',
    rules: ['san-missing'],
    bad: commonNameOnly('api.corp.internal'),
  },
  {
    what: 'an empty subject beside names that are not critical',
    profile: 'server',
    rules: ['san-not-critical'],
    bad: only(OID.subjectAltName, alt(undefined, dns('api.corp.internal'))),
  },
  {
    what: 'a server that may only be a client',
    profile: 'server',
    rules: ['purpose-no-server'],
    bad: only(OID.extendedKeyUsage, purposes(CLIENT_AUTH)),
    tellProfile: true,
  },
  {
    what: 'a P-256 server that may only encipher keys',
    profile: 'server',
    rules: ['key-usage-no-signature', 'key-usage-encipherment'],
    bad: keyUsages(['keyEncipherment']),
  },
  {
    what: 'an address written as a DNS name',
    profile: 'server',
    rules: ['dns-name-is-address'],
    bad: names(dns('10.0.0.1')),
    good: names(contextPrimitive(7, Uint8Array.of(10, 0, 0, 1))),
  },
  {
    what: 'constraints of DNS names that let every address through, on a root',
    profile: 'root',
    rules: ['name-constraints-let-addresses-through', 'name-constraints-let-others-through'],
    bad: trees(dns('corp.internal')),
    good: trees(...ALL_CONSTRAINED),
  },
  {
    what: 'the same on an issuer',
    profile: 'issuer',
    rules: ['name-constraints-let-addresses-through'],
    bad: trees(dns('corp.internal')),
    good: only(
      OID.nameConstraints,
      constraints([dns('corp.internal')], [range('0'.repeat(16)), range('0'.repeat(64))]),
    ),
  },
  {
    what: 'a common name without a dot, which gets past constraints',
    profile: 'server',
    rules: ['san-missing'],
    bad: commonNameOnly('localhost'),
  },
  {
    what: 'a root that has ended',
    profile: 'root',
    rules: ['root-expired'],
    bad: { validity: validity('2016-01-01', '2026-01-01') },
    time: new Date('2026-06-15'),
  },
  {
    what: 'a serial number of 21 octets',
    profile: 'server',
    rules: ['serial-too-long'],
    bad: { serialNumber: element(2, new Uint8Array(21).fill(0x5a)) },
    good: { serialNumber: element(2, new Uint8Array(20).fill(0x5a)) },
  },
  {
    what: '20 random bytes with the top bit set, which are written as 21',
    profile: 'server',
    rules: ['serial-too-long'],
    bad: { serialNumber: integer(2n ** 160n - 1n) },
    good: { serialNumber: integer(2n ** 159n - 1n) },
  },
  {
    what: '20 random bytes whose top bit makes them negative',
    profile: 'server',
    rules: ['serial-negative'],
    bad: { serialNumber: element(2, new Uint8Array(20).fill(0xa5)) },
  },
  {
    what: 'the serial number 0',
    profile: 'root',
    rules: ['serial-zero'],
    bad: { serialNumber: integer(0) },
  },
  {
    what: 'the serial number 2 of a counter',
    profile: 'server',
    rules: ['serial-short'],
    bad: { serialNumber: integer(2) },
  },
  {
    what: 'a server certificate until 2055',
    profile: 'server',
    rules: ['server-lifetime'],
    bad: untilWritten(general('20550101000000Z')),
    good: years(2),
  },
  {
    what: 'a server certificate for five years',
    profile: 'server',
    rules: ['server-lifetime'],
    bad: years(5),
    good: years(2),
  },
  {
    what: 'a client certificate for five years',
    profile: 'client',
    rules: ['leaf-lifetime'],
    bad: years(5),
    good: years(2),
  },
  {
    what: 'a P-256 server with keyEncipherment, as mkcert and easy-rsa issue it',
    profile: 'server',
    rules: ['key-usage-encipherment'],
    bad: keyUsages(['digitalSignature', 'keyEncipherment']),
    good: {
      spki: rsaKey(2048, 65_537n),
      extensions: {
        [OID.keyUsage]: usage(['digitalSignature', 'keyEncipherment']),
        [OID.subjectKeyIdentifier]: undefined,
      },
    },
  },
  {
    what: 'a server without extended key usage',
    profile: 'server',
    rules: ['purpose-missing'],
    bad: only(OID.extendedKeyUsage, undefined),
  },
  {
    what: 'a leaf without subject key identifier',
    profile: 'server',
    rules: ['leaf-subject-key-id-missing'],
    bad: only(OID.subjectKeyIdentifier, undefined),
  },
  {
    what: 'a leaf signed with SHA-1',
    profile: 'server',
    rules: ['signature-sha1'],
    bad: signed(OID.ecdsaWithSha1),
  },
  {
    what: 'a leaf signed with MD5',
    profile: 'server',
    rules: ['signature-broken'],
    bad: signed(OID.md5WithRsa, nullValue()),
    good: signed(OID.sha256WithRsa, nullValue()),
  },
  {
    what: 'RSA with 1024 bits',
    profile: 'server',
    rules: ['rsa-too-small'],
    bad: withKey(rsaKey(1024, 65_537n)),
    good: rsa,
  },
  {
    what: 'a beginning one hour ahead',
    profile: 'server',
    rules: ['not-yet-valid'],
    bad: { validity: sequence(utc('260615010000Z'), utc('260620000000Z')) },
    good: { validity: sequence(utc('260614235900Z'), utc('260620000000Z')) },
    time: new Date('2026-06-15T00:00:00Z'),
  },
  {
    what: 'a leaf that has ended',
    profile: 'server',
    rules: ['expired'],
    bad: { validity: validity('2026-01-01', '2026-01-08') },
    good: { validity: validity('2026-06-10', '2026-06-20') },
    time: new Date('2026-06-15'),
  },
  {
    what: 'a critical extension nobody knows',
    profile: 'server',
    rules: ['critical-extension-unknown'],
    bad: only('1.2.3', flagged('1.2.3', true, nullValue())),
    good: only('1.2.3', flagged('1.2.3', undefined, nullValue())),
  },
]
