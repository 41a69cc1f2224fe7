/**
 * Chains of which clients say different things: what each was measured to say, and a chain made by our own builder.
 *
 * @module
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { contextPrimitive, encodeDer, integer, oid, sequence } from '../src/der-writer.ts'
import {
  buildCertificate,
  type Certificate,
  type CertificateTemplate,
  type ClientId,
  Name,
  parseGeneralName,
  PrivateKey,
  type ReferenceName,
} from '../src/index.ts'
import { OID } from '../src/oid.ts'
import {
  anyKey,
  authority,
  type Deviation,
  flipped,
  HOST,
  instead,
  type Issuer,
  leafOf,
  raw,
  without,
} from './verify-world.ts'

/** A chain as a server sends it, and who refuses it. */
export interface TableRow {
  what: string
  /** Leaf first. */
  sent: readonly Certificate[]
  /** The leaf's. */
  key: PrivateKey
  roots: readonly Certificate[]
  name: ReferenceName
  refusedBy: readonly ClientId[]
  /** Programs that cannot be asked about it; see {@link MORE}. */
  unasked?: readonly Program[]
}

/** A program that may be on this machine. */
export type Program = 'openssl' | 'python' | 'java' | 'chromium'

/** Every client, in the order of the predictions. */
export const CLIENTS: readonly ClientId[] = [
  'node',
  'curl',
  'python',
  'python-strict',
  'go',
  'java',
  'chromium',
  'firefox',
]

// The clocks of the clients cannot be set: these chains are of today.
const today = Date.now()
const days = (count: number): Date => new Date(today + count * 86_400_000)
const VALID = { notBefore: days(-10), notAfter: days(10) }
const OLD = { notBefore: days(-10), notAfter: days(-1) }
let count = 0

interface Parts {
  root?: Deviation
  issuing?: Deviation
  leaf?: Deviation
  /** Instead of what {@link leafOf} makes. */
  make?: (issuing: Issuer, key: PrivateKey) => Certificate
  isSent?: boolean
  trusted?: 'root' | 'issuing' | 'leaf'
  name?: ReferenceName
  unasked?: readonly Program[]
}

/** What most rows trust: a browser takes a while to learn a root. */
const PLAIN_ROOT = authority('Table Root', undefined, VALID)

/** Authorities with names of their own where something is odd: no client may take one for that of another row. */
function row(what: string, refusedBy: readonly ClientId[], parts: Parts = {}): TableRow {
  const { isSent = true, trusted = 'root', name = { dns: HOST } } = parts
  count++
  const root =
    parts.root === undefined && trusted === 'root'
      ? PLAIN_ROOT
      : authority(`Table Root ${count}`, undefined, { ...VALID, ...parts.root })
  const issuing = authority(`Table Issuing ${count}`, root, { ...VALID, ...parts.issuing })
  const key = parts.leaf?.key ?? anyKey()
  const leaf = parts.make?.(issuing, key) ?? leafOf(issuing, { ...VALID, ...parts.leaf, key })
  const anchors = { root: root.certificate, issuing: issuing.certificate, leaf }
  return {
    what,
    sent: isSent ? [leaf, issuing.certificate] : [leaf],
    key,
    roots: [anchors[trusted]],
    name,
    refusedBy,
    ...(parts.unasked === undefined ? {} : { unasked: parts.unasked }),
  }
}

const HOSTS_ONLY = { permitted: [{ type: 'dns', value: 'corp.internal' } as const] }
const named = (commonName: string): Deviation => ({
  subject: Name.from({ commonName }),
  change: without(OID.subjectAltName),
})
const names = (...values: string[]): Deviation => ({
  subjectAltNames: values.map(parseGeneralName),
})
const allBut = (...clients: ClientId[]): ClientId[] =>
  CLIENTS.filter((client) => !clients.includes(client))

function rsa(bits: number): PrivateKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: bits })
  return PrivateKey.parse(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
}

/** A leaf that is signed with SHA-1. */
function withSha1({ certificate, key: issuerKey }: Issuer, key: PrivateKey): Certificate {
  const template: CertificateTemplate = {
    subject: Name.from({}),
    issuer: certificate.subject,
    publicKey: key.publicKey,
    ...VALID,
    subjectAltNames: [parseGeneralName(HOST)],
    extendedKeyUsage: ['serverAuth'],
  }
  return buildCertificate(template, {
    publicKey: issuerKey.publicKey,
    signatureAlgorithm: encodeDer(sequence(oid(OID.ecdsaWithSha1))),
    sign: (tbs: Uint8Array) => new Uint8Array(sign('sha1', tbs, issuerKey.keyObject)),
  })
}

/** The key usage cRLSign alone. */
const LISTS_ONLY = instead({
  oid: OID.keyUsage,
  critical: true,
  value: Uint8Array.of(3, 2, 1, 2),
})
/** Policy constraints, critical as RFC 5280 §4.2.1.11 wants them. */
const NO_MAPPING = raw(OID.policyConstraints, sequence(contextPrimitive(1, Uint8Array.of(0))), true)
const NO_COMMON_NAME: ClientId[] = ['go', 'chromium', 'firefox']
const STRICT: ClientId[] = ['python-strict']

/** Every row and column of the measured table. */
export const TABLE: readonly TableRow[] = [
  row('a plain chain', []),
  row('basic constraints of the root not critical', STRICT, {
    root: { change: flipped(OID.basicConstraints) },
  }),
  row('basic constraints of the issuer not critical', STRICT, {
    issuing: { change: flipped(OID.basicConstraints) },
  }),
  row('a root without key usage', STRICT, { root: { change: without(OID.keyUsage) } }),
  row('a leaf without authority key identifier', STRICT, {
    leaf: { change: without(OID.authorityKeyIdentifier) },
  }),
  row('an issuer without authority key identifier', STRICT, {
    issuing: { change: without(OID.authorityKeyIdentifier) },
  }),
  row('a common name and no alternative name', NO_COMMON_NAME, { leaf: named(HOST) }),
  row('an empty subject and names not critical', ['python-strict', 'java', 'chromium'], {
    leaf: { change: flipped(OID.subjectAltName) },
  }),
  row('a leaf for clients only', CLIENTS, { leaf: { extendedKeyUsage: ['clientAuth'] } }),
  row('an elliptic key that may only encipher keys', ['java', 'chromium'], {
    leaf: { keyUsage: ['keyEncipherment'] },
  }),
  row('an address written as a host', CLIENTS, {
    leaf: { subjectAltNames: [{ type: 'dns', value: '127.0.0.1' }] },
    name: { ip: '127.0.0.1' },
  }),
  row('a name outside the constraints of the issuer', CLIENTS, {
    issuing: { nameConstraints: HOSTS_ONLY },
    leaf: names('api.other.internal'),
    name: { dns: 'api.other.internal' },
  }),
  row('a name outside the constraints of the root', allBut('java'), {
    root: { nameConstraints: HOSTS_ONLY },
    leaf: names('api.other.internal'),
    name: { dns: 'api.other.internal' },
  }),
  row('an address beside constraints of hosts', [], {
    issuing: { nameConstraints: HOSTS_ONLY },
    leaf: names(HOST, '127.0.0.1'),
    name: { ip: '127.0.0.1' },
  }),
  row('a common name that escapes constraints', ['go', 'java', 'chromium', 'firefox'], {
    issuing: { nameConstraints: HOSTS_ONLY },
    leaf: named('localhost'),
    name: { dns: 'localhost' },
  }),
  row('an issuer below a root of path length 0', allBut('java'), {
    root: { ca: { pathLength: 0 } },
  }),
  row('an expired root', allBut('java'), { root: OLD }),
  row('an issuer that is trusted alone', ['node', 'python'], { trusted: 'issuing' }),
  row('a leaf that is trusted alone', ['node', 'python', 'chromium'], { trusted: 'leaf' }),
  row('a serial number of 20 bytes', [], {
    leaf: { change: { serialNumber: integer(2n ** 159n - 1n) } },
  }),
  row('a serial number of 21 bytes', [], {
    leaf: { change: { serialNumber: integer(2n ** 160n - 1n) } },
  }),
  row('the serial number 0', [], { leaf: { change: { serialNumber: integer(0) } } }),
  row('an end in 2055', [], {
    root: { notAfter: new Date('2055-01-01T00:00:00Z') },
    leaf: { notAfter: new Date('2055-01-01T00:00:00Z') },
  }),
  row('a leaf of five years', [], {
    root: { notAfter: days(4000) },
    leaf: { notAfter: days(1815) },
  }),
  row('an elliptic key that may encipher keys too', [], {
    leaf: { keyUsage: ['digitalSignature', 'keyEncipherment'] },
  }),
  row('a leaf without extended key usage', [], { leaf: { extendedKeyUsage: [] } }),
  row('a leaf without subject key identifier', [], {
    leaf: { change: without(OID.subjectKeyIdentifier) },
  }),
  row('SHA-1 on the leaf', allBut('java'), { make: withSha1 }),
  row('an RSA key of 1024 bits', ['node', 'curl', 'python', 'python-strict'], {
    leaf: { key: rsa(1024), keyUsage: ['digitalSignature', 'keyEncipherment'] },
  }),
  row('a leaf of an hour ahead', CLIENTS, { leaf: { notBefore: days(1 / 24) } }),
  row('an expired leaf', CLIENTS, { leaf: OLD }),
  row('an issuer that was not sent', CLIENTS, { isSent: false }),
  row('an unknown critical extension', CLIENTS, {
    leaf: { extraExtensions: [raw('1.2.3.4', integer(1), true)] },
  }),
]

/**
 * What the table does not hold, measured on one machine with all clients but Go and Firefox, whose columns follow their sources.
 *
 * Python's own server cannot show a chain with an ML-DSA key, NSS does not store such a root, and only a handshake asks for the
 * signature of the leaf's key: `openssl verify` and Java's trust manager do not notice that they could not check it.
 */
export const MORE: readonly TableRow[] = [
  row('a leaf for any purpose', ['node', 'curl', 'python', 'python-strict'], {
    leaf: { extendedKeyUsage: ['any'] },
  }),
  row('an issuer for clients only', allBut('java'), {
    issuing: { extendedKeyUsage: ['clientAuth'] },
  }),
  row('a root for clients only', allBut('java'), { root: { extendedKeyUsage: ['clientAuth'] } }),
  row('a root of ML-DSA-44', allBut('node', 'chromium'), {
    root: { key: PrivateKey.generateSync('ml-dsa-44') },
    unasked: ['python', 'chromium'],
  }),
  row('an issuer of ML-DSA-44', allBut('node', 'chromium'), {
    issuing: { key: PrivateKey.generateSync('ml-dsa-44') },
    unasked: ['python'],
  }),
  row('an issuer of ML-DSA-65', allBut('node', 'chromium'), {
    issuing: { key: PrivateKey.generateSync('ml-dsa-65') },
    unasked: ['python'],
  }),
  row('an issuer of ML-DSA-87', allBut('node', 'chromium'), {
    issuing: { key: PrivateKey.generateSync('ml-dsa-87') },
    unasked: ['python'],
  }),
  row('a leaf of ML-DSA-44', allBut('node', 'chromium'), {
    leaf: { key: PrivateKey.generateSync('ml-dsa-44') },
    unasked: ['python', 'openssl', 'java'],
  }),
  row('an issuer of Ed25519', ['chromium', 'firefox'], {
    issuing: { key: PrivateKey.generateSync('ed25519') },
  }),
  row('a leaf of Ed25519', ['chromium', 'firefox'], {
    leaf: { key: PrivateKey.generateSync('ed25519') },
  }),
  row('an issuer of P-384', [], { issuing: { key: PrivateKey.generateSync('p384') } }),
  row('an RSA key that may only encipher keys', ['java', 'chromium'], {
    leaf: { key: rsa(2048), keyUsage: ['keyEncipherment'] },
  }),
  row('a wildcard', [], { leaf: names('*.corp.internal') }),
  row('a wildcard below a top level', allBut('go', 'java'), {
    leaf: names('*.internal'),
    name: { dns: 'api.internal' },
  }),
  row('a critical subject key identifier', allBut('go', 'firefox'), {
    leaf: { change: flipped(OID.subjectKeyIdentifier) },
  }),
  row('a critical authority key identifier', allBut('go', 'firefox'), {
    leaf: { change: flipped(OID.authorityKeyIdentifier) },
  }),
  row('an issuer without subject key identifier', STRICT, {
    issuing: { change: without(OID.subjectKeyIdentifier) },
  }),
  row('an issuer without key usage', STRICT, { issuing: { change: without(OID.keyUsage) } }),
  row('an issuer that may not certify', CLIENTS, { issuing: { change: LISTS_ONLY } }),
  row('a root that may not certify', CLIENTS, { root: { change: LISTS_ONLY } }),
  row('an issuer without basic constraints', CLIENTS, {
    issuing: { change: without(OID.basicConstraints) },
  }),
  row('a root without basic constraints', ['python-strict', 'go', 'java', 'firefox'], {
    root: { change: without(OID.basicConstraints) },
  }),
  row('a leaf that is an authority', [], {
    leaf: {
      subject: Name.from({ commonName: HOST }),
      ca: {},
      keyUsage: ['keyCertSign', 'cRLSign', 'digitalSignature'],
    },
  }),
  row('constraints on directory names', ['go'], {
    issuing: {
      nameConstraints: {
        permitted: [{ type: 'directory', value: Name.from({ organization: 'Example' }) }],
      },
    },
  }),
  row('a ban on policy mapping', ['go'], { issuing: { extraExtensions: [NO_MAPPING] } }),
  row('an expired issuer that is trusted alone', allBut('java'), {
    issuing: OLD,
    trusted: 'issuing',
  }),
  row('an expired leaf that is trusted alone', allBut('java'), { leaf: OLD, trusted: 'leaf' }),
  row('a server that signed itself', ['chromium'], { make: (_, key) => own(key), trusted: 'leaf' }),
]

function own(key: PrivateKey): Certificate {
  const { certificate } = authority('Own', undefined, {
    ...VALID,
    key,
    ca: undefined,
    subjectAltNames: [parseGeneralName(HOST)],
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: ['serverAuth'],
  })
  return certificate
}
