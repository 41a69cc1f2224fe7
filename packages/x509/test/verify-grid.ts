/**
 * The checks of path validation: for each a chain that passes, and its twin that differs in one thing.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { contextPrimitive, integer, sequence } from '../src/der-writer.ts'
import {
  type Certificate,
  Name,
  parseGeneralName,
  PrivateKey,
  type ReasonCode,
  type Verdict,
} from '../src/index.ts'
import { OID } from '../src/oid.ts'
import {
  authority,
  damaged,
  type Deviation,
  flipped,
  HOST,
  instead,
  leafOf,
  NOW,
  type Options,
  raw,
  verify,
  without,
} from './verify-world.ts'

const root = authority('Example Root')
const issuing = authority('Example Issuing', root)

/** A check: a chain that passes it, and its twin that differs in one thing. */
interface Row {
  check: string
  accepted: () => Verdict
  refused: () => Verdict
  code: ReasonCode
  facts?: object
}

/** A leaf of {@link issuing} that deviates, verified. */
function leafRow(deviation: Deviation, options?: Options): Verdict {
  return verify(leafOf(issuing, deviation), [issuing, root], options)
}

/** A leaf below an intermediate that deviates, verified. */
function issuerRow(deviation: Deviation, leaf: Deviation = {}, options?: Options): Verdict {
  const middle = authority('Deviating', root, deviation)
  return verify(leafOf(middle, leaf), [middle, root], options)
}

/** A leaf below a root that deviates, verified. */
function rootRow(deviation: Deviation, leaf: Deviation = {}, options?: Options): Verdict {
  const top = authority('Deviating Root', undefined, deviation)
  return verify(leafOf(top, leaf), [top], options)
}

const plain = (): Verdict => leafRow({})
const past = new Date(NOW.getTime() - 1000)
const future = new Date(NOW.getTime() + 3_600_000)
const rsa1024 = PrivateKey.parse(
  generateKeyPairSync('rsa', { modulusLength: 1024 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString(),
)
const MAILBOX: Deviation = { subjectAltNames: [parseGeneralName('ada@corp.internal')] }
/** A server that signs for itself, and for nobody else. */
const OWN: Deviation = {
  ca: undefined,
  subjectAltNames: [parseGeneralName(HOST)],
  keyUsage: ['digitalSignature'],
  extendedKeyUsage: ['serverAuth'],
}

/** Every check with its twins. */
export const GRID: readonly Row[] = [
  {
    check: 'the leaf has expired',
    accepted: () => leafRow({ notAfter: NOW }),
    refused: () => leafRow({ notAfter: past }),
    code: 'expired',
    facts: { notAfter: past, time: NOW, differenceMs: 1000 },
  },
  {
    check: 'an intermediate has expired',
    accepted: () => issuerRow({ notAfter: NOW }),
    refused: () => issuerRow({ notAfter: past }),
    code: 'expired',
    facts: { notAfter: past },
  },
  {
    check: 'the root has expired',
    accepted: () => rootRow({ notAfter: NOW }),
    refused: () => rootRow({ notAfter: past }),
    code: 'expired',
  },
  {
    check: 'the leaf is not valid yet',
    accepted: () => leafRow({ notBefore: NOW }),
    refused: () => leafRow({ notBefore: future }),
    code: 'not-yet-valid',
    facts: { notBefore: future, differenceMs: 3_600_000 },
  },
  {
    check: 'the signature is damaged',
    accepted: plain,
    refused: () => verify(damaged(leafOf(issuing)), [issuing, root]),
    code: 'bad-signature',
    facts: { algorithm: 'ecdsa-with-SHA256', issuer: 'CN=Example Issuing' },
  },
  {
    check: 'the intermediate was not sent',
    accepted: plain,
    refused: () => verify(leafOf(issuing), [root]),
    code: 'missing-intermediate',
    facts: {
      issuer: 'CN=Example Issuing',
      keyId: issuing.certificate.subjectKeyId,
      roots: 1,
      intermediates: 0,
      candidates: [],
    },
  },
  {
    check: 'the root is not trusted',
    accepted: plain,
    refused: () => verify(leafOf(issuing), [issuing, authority('Other Root')]),
    code: 'untrusted-root',
    facts: { issuer: 'CN=Example Root' },
  },
  {
    check: 'the root is sent and not trusted',
    accepted: plain,
    refused: () => verify(leafOf(issuing), [issuing, root, authority('Other Root')]),
    code: 'untrusted-root-sent',
  },
  {
    check: 'the root was made anew',
    accepted: plain,
    refused: () => verify(leafOf(issuing), [issuing, authority('Example Root')]),
    code: 'key-mismatch',
    facts: { keyId: root.certificate.subjectKeyId },
  },
  {
    check: 'the leaf signed itself',
    accepted: () => {
      const own = authority('Own', undefined, OWN)
      return verify(own.certificate, [own])
    },
    refused: () => verify(authority('Own', undefined, OWN).certificate, [root]),
    code: 'self-signed',
  },
  {
    check: 'the name is another',
    accepted: () => leafRow({ subjectAltNames: [parseGeneralName('*.corp.internal')] }),
    refused: () => leafRow({ subjectAltNames: [parseGeneralName('*.api.corp.internal')] }),
    code: 'name-mismatch',
    facts: {
      wanted: { type: 'dns', value: HOST },
      presented: ['DNS:*.api.corp.internal'],
      commonName: undefined,
    },
  },
  {
    check: 'the address is written as a host',
    accepted: () =>
      leafRow({ subjectAltNames: [parseGeneralName('10.0.0.1')] }, { name: { ip: '10.0.0.1' } }),
    refused: () =>
      leafRow(
        { subjectAltNames: [{ type: 'dns', value: '10.0.0.1' }] },
        { name: { ip: '10.0.0.1' } },
      ),
    code: 'name-mismatch',
    facts: { wanted: { type: 'ip', value: '10.0.0.1' } },
  },
  {
    check: 'the mailbox is another',
    accepted: () => leafRow(MAILBOX, { name: { email: 'ada@corp.internal' } }),
    refused: () => leafRow(MAILBOX, { name: { email: 'bob@corp.internal' } }),
    code: 'name-mismatch',
  },
  {
    check: 'the leaf is for clients',
    accepted: () => leafRow({ extendedKeyUsage: ['clientAuth', 'serverAuth'] }),
    refused: () => leafRow({ extendedKeyUsage: ['clientAuth'] }),
    code: 'wrong-purpose',
    facts: { purpose: 'server', extendedKeyUsage: ['clientAuth'] },
  },
  {
    check: 'the leaf is for servers, and a client shows it',
    accepted: () => leafRow({ extendedKeyUsage: ['clientAuth'] }, { purpose: 'client' }),
    refused: () => leafRow({}, { purpose: 'client' }),
    code: 'wrong-purpose',
    facts: { purpose: 'client' },
  },
  {
    check: 'an intermediate is for clients',
    accepted: () => issuerRow({ extendedKeyUsage: ['serverAuth'] }),
    refused: () => issuerRow({ extendedKeyUsage: ['clientAuth'] }),
    code: 'wrong-purpose',
  },
  {
    check: 'an elliptic key may not sign',
    accepted: () => leafRow({ keyUsage: ['digitalSignature'] }),
    refused: () => leafRow({ keyUsage: ['keyEncipherment'] }),
    code: 'wrong-purpose',
    facts: { keyUsage: ['keyEncipherment'] },
  },
  {
    check: 'an intermediate is no authority',
    accepted: () => issuerRow({}),
    refused: () => issuerRow({ change: instead(raw(OID.basicConstraints, sequence(), true)) }),
    code: 'not-a-ca',
    facts: { ca: false },
  },
  {
    check: 'an intermediate has no basic constraints',
    accepted: () => issuerRow({}),
    refused: () => issuerRow({ change: without(OID.basicConstraints) }),
    code: 'not-a-ca',
    facts: { ca: undefined },
  },
  {
    check: 'an authority may not sign certificates',
    accepted: () => issuerRow({ change: without(OID.keyUsage) }),
    refused: () => issuerRow({ change: instead({ ...usageOf(leafOf(issuing)), critical: true }) }),
    code: 'not-a-ca',
    facts: { ca: true, keyUsage: ['digitalSignature'] },
  },
  {
    check: 'the path length is exceeded',
    accepted: () => below({ pathLength: 1 }, 'Another'),
    refused: () => below({ pathLength: 0 }, 'Another'),
    code: 'path-too-long',
    facts: { limit: 0, found: 1, limitedBy: 'path-length' },
  },
  {
    check: 'self-issued intermediates do not count for the path length',
    accepted: () => below({ pathLength: 0 }, 'Constrained'),
    refused: () => below({ pathLength: 0 }, 'Not Self Issued'),
    code: 'path-too-long',
  },
  {
    check: 'there are more intermediates than asked for',
    accepted: () => verify(leafOf(issuing), [issuing, root], { maxDepth: 1 }),
    refused: () => verify(leafOf(issuing), [issuing, root], { maxDepth: 0 }),
    code: 'path-too-long',
    facts: { limit: 0, limitedBy: 'max-depth' },
  },
  {
    check: 'an unknown extension is critical',
    accepted: () => leafRow({ extraExtensions: [raw('1.2.3.4', integer(1))] }),
    refused: () => leafRow({ extraExtensions: [raw('1.2.3.4', integer(1), true)] }),
    code: 'critical-extension',
    facts: { oid: '1.2.3.4', name: undefined },
  },
  {
    check: 'the key is too short',
    accepted: () => leafRow({ key: PrivateKey.generateSync('rsa2048') }),
    refused: () => leafRow({ key: rsa1024 }),
    code: 'weak-crypto',
    facts: { what: 'key', found: 'RSA 1024' },
  },
  {
    check: 'the certificate is of version 1',
    accepted: plain,
    refused: () => leafRow({ change: { version: new Uint8Array() } }),
    code: 'rejected-by-policy',
    facts: { rule: 'version' },
  },
  {
    check: 'the serial number is zero',
    accepted: () => leafRow({ change: { serialNumber: integer(1) } }),
    refused: () => leafRow({ change: { serialNumber: integer(0) } }),
    code: 'rejected-by-policy',
    facts: { rule: 'serial-number' },
  },
  {
    check: 'the serial number is negative',
    accepted: () => leafRow({ change: { serialNumber: integer((1n << 159n) - 1n) } }),
    refused: () => leafRow({ change: { serialNumber: integer(-1n) } }),
    code: 'rejected-by-policy',
    facts: { rule: 'serial-number' },
  },
  {
    check: 'the serial number has 21 octets',
    accepted: () => leafRow({ change: { serialNumber: integer((1n << 159n) - 1n) } }),
    refused: () => leafRow({ change: { serialNumber: integer(1n << 159n) } }),
    code: 'rejected-by-policy',
    facts: { rule: 'serial-number' },
  },
  {
    check: 'there is only a common name',
    accepted: () => leafRow({ subject: Name.from({ commonName: HOST }) }, { name: undefined }),
    refused: () =>
      leafRow(
        { subject: Name.from({ commonName: HOST }), change: without(OID.subjectAltName) },
        { name: undefined },
      ),
    code: 'rejected-by-policy',
    facts: { rule: 'alternative-name-missing' },
  },
  {
    check: 'a host has an underscore',
    accepted: () => leafRow({ subjectAltNames: [dns(HOST), dns('a-b.corp.internal')] }),
    refused: () => leafRow({ subjectAltNames: [dns(HOST), dns('a_b.corp.internal')] }),
    code: 'rejected-by-policy',
    facts: { rule: 'alternative-name-malformed' },
  },
  {
    check: 'the common name is another address',
    accepted: () => leafRow({ subject: Name.from({ commonName: 'Printer of Ada' }) }),
    refused: () => leafRow({ subject: Name.from({ commonName: '0x0A000001' }) }),
    code: 'rejected-by-policy',
    facts: { rule: 'common-name' },
  },
  {
    check: 'the subject is empty and the names are not critical',
    accepted: plain,
    refused: () => leafRow({ change: flipped(OID.subjectAltName) }),
    code: 'rejected-by-policy',
    facts: { rule: 'critical-flag' },
  },
  {
    check: 'there is no authority key identifier',
    accepted: plain,
    refused: () => leafRow({ change: without(OID.authorityKeyIdentifier) }),
    code: 'rejected-by-policy',
    facts: { rule: 'authority-key-id' },
  },
  {
    check: 'a root is tied to a serial number',
    accepted: () => rootRow({}),
    refused: () => {
      const value = sequence(
        contextPrimitive(0, Buffer.from('00')),
        contextPrimitive(2, Buffer.from([1])),
      )
      return rootRow({ change: instead(raw(OID.authorityKeyIdentifier, value)) })
    },
    code: 'rejected-by-policy',
    facts: { rule: 'authority-key-id' },
  },
  {
    check: 'an authority has no subject key identifier',
    accepted: () => rootRow({}),
    refused: () => rootRow({ change: without(OID.subjectKeyIdentifier) }),
    code: 'rejected-by-policy',
    facts: { rule: 'subject-key-id' },
  },
  {
    check: 'basic constraints are not critical',
    accepted: () => rootRow({}),
    refused: () => rootRow({ change: flipped(OID.basicConstraints) }),
    code: 'rejected-by-policy',
    facts: { rule: 'critical-flag' },
  },
  {
    check: 'a root has extended key usages',
    accepted: () => issuerRow({ extendedKeyUsage: ['serverAuth'] }),
    refused: () => rootRow({ extendedKeyUsage: ['serverAuth'] }),
    code: 'rejected-by-policy',
    facts: { rule: 'root-with-extended-key-usage' },
  },
  {
    check: 'an extension cannot be read',
    accepted: plain,
    refused: () => leafRow({ change: instead(raw(OID.authorityInfoAccess, integer(1))) }),
    code: 'rejected-by-policy',
    facts: { rule: 'malformed' },
  },
]

/** A leaf below an authority with a path length and one more authority between. */
function below(ca: { pathLength: number }, name: string): Verdict {
  const upper = authority('Constrained', root, { ca })
  const lower = authority(name, upper)
  return verify(leafOf(lower), [lower, upper, root])
}

function usageOf(certificate: Certificate): { oid: string; critical: boolean; value: Uint8Array } {
  const found = certificate.extensions.get(OID.keyUsage)
  assert.ok(found)
  return found
}

function dns(value: string): { type: 'dns'; value: string } {
  return { type: 'dns', value }
}
