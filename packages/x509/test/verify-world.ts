/**
 * Chains for the tests of path validation: made with our builder, and then with one thing changed that it refuses to build.
 *
 * @module
 */
import assert from 'node:assert/strict'
import {
  bitString,
  boolean,
  context,
  type DerNode,
  encodeDer,
  integer,
  octetString,
  oid,
  sequence,
  time,
} from '../src/der-writer.ts'
import { DerReader } from '../src/der-reader.ts'
import { TAG } from '../src/der-tags.ts'
import {
  buildCertificate,
  Certificate,
  CertificateRevocationList,
  type CertificateTemplate,
  Name,
  parseGeneralName,
  PrivateKey,
  type RawExtension,
  type ReasonCode,
  type Refusal,
  type SyncSigner,
  type Verdict,
  verifyChain,
  type VerifyOptions,
} from '../src/index.ts'

/** The time of all chains. */
export const NOW: Date = new Date('2026-06-01T00:00:00Z')
const YEAR = 365 * 86_400_000
export const HOST = 'api.corp.internal'

/** An authority: its certificate and what it signs with. */
export interface Issuer {
  certificate: Certificate
  key: PrivateKey
}

/** What differs from a plain certificate; `change` works on what was built, which is then signed again. */
export interface Deviation extends Partial<CertificateTemplate> {
  key?: PrivateKey
  change?: Change
}

export interface Change {
  version?: DerNode
  serialNumber?: DerNode
  /** Takes the extensions and gives those that shall be there. */
  extensions?: (all: RawExtension[]) => RawExtension[]
}

const KEYS: readonly PrivateKey[] = Array.from({ length: 12 }, () =>
  PrivateKey.generateSync('p256'),
)
let nextKey = 0

/** One of a dozen keys, in turn. */
export function anyKey(): PrivateKey {
  return KEYS[nextKey++ % KEYS.length] ?? PrivateKey.generateSync('p256')
}

/** A root, or what another authority signs. */
export function authority(commonName: string, by?: Issuer, deviation: Deviation = {}): Issuer {
  const { key = anyKey(), change, ...template } = deviation
  const subject = Name.from({ commonName })
  const signer = (by?.key ?? key).signer()
  const certificate = buildCertificate(
    {
      subject,
      issuer: by?.certificate.subject ?? template.subject ?? subject,
      publicKey: key.publicKey,
      ...VALIDITY,
      ca: {},
      ...template,
    },
    signer,
  )
  return { certificate: finish(certificate, signer, change), key }
}

/** A server's certificate for {@link HOST}. */
export function leafOf(by: Issuer, deviation: Deviation = {}): Certificate {
  const { key = anyKey(), change, ...template } = deviation
  const signer = by.key.signer()
  const certificate = buildCertificate(
    {
      subject: Name.from({}),
      issuer: by.certificate.subject,
      publicKey: key.publicKey,
      ...VALIDITY,
      subjectAltNames: [parseGeneralName(HOST)],
      extendedKeyUsage: ['serverAuth'],
      ...template,
    },
    signer,
  )
  return finish(certificate, signer, change)
}

/** An extension as bytes. */
export function raw(dotted: string, value: DerNode, critical = false): RawExtension {
  return { oid: dotted, critical, value: encodeDer(value) }
}

/** A change that takes an extension away. */
export function without(dotted: string): Change {
  return { extensions: (all) => all.filter((one) => one.oid !== dotted) }
}

/** A change that gives an extension the other flag. */
export function flipped(dotted: string): Change {
  return {
    extensions: (all) =>
      all.map((one) => (one.oid === dotted ? { ...one, critical: !one.critical } : one)),
  }
}

/** A change that puts an extension in the place of the one of its kind. */
export function instead(extension: RawExtension): Change {
  return {
    extensions: (all) => [...all.filter((one) => one.oid !== extension.oid), extension],
  }
}

/** A list with any extensions. */
export function listOf(
  by: Issuer,
  revoked: readonly string[],
  extensions: readonly RawExtension[],
  thisUpdate: Date = new Date(NOW.getTime() - 3_600_000),
): CertificateRevocationList {
  const signer = by.key.signer()
  const entries = revoked.map((serial) => {
    const bytes = Buffer.from(serial, 'hex')
    return sequence(integer(BigInt(`0x${bytes.toString('hex')}`)), time(thisUpdate))
  })
  const tbs = encodeDer(
    sequence(
      integer(1),
      signer.signatureAlgorithm,
      by.certificate.subject.der,
      time(thisUpdate),
      time(new Date(thisUpdate.getTime() + 86_400_000)),
      ...(entries.length === 0 ? [] : [sequence(...entries)]),
      context(0, sequence(...extensions.map(extensionNode))),
    ),
  )
  const der = encodeDer(sequence(tbs, signer.signatureAlgorithm, bitString(signer.sign(tbs))))
  return CertificateRevocationList.parse(der)
}

/** The same certificate with another signature than the one that fits. */
export function damaged(certificate: Certificate): Certificate {
  const der = new Uint8Array(certificate.der)
  const last = der.length - 1
  der[last] = (der[last] ?? 0) ^ 1
  return Certificate.parse(der)
}

/** Verifies at {@link NOW} for {@link HOST}, unless told otherwise. */
export function verify(
  leaf: Certificate,
  above: readonly Issuer[],
  options: Options = {},
): Verdict {
  const certificates = above.map(({ certificate }) => certificate)
  return verifyChain({
    leaf,
    intermediates: certificates.slice(0, -1),
    roots: certificates.slice(-1),
    time: NOW,
    name: { dns: HOST },
    ...options,
  })
}

export type Options = Partial<VerifyOptions>

export function assertAccepted(verdict: Verdict, length?: number): void {
  if (!verdict.ok) assert.fail(`${verdict.code}: ${verdict.message}`)
  if (length !== undefined) assert.equal(verdict.chain.length, length)
}

export function assertRefused(verdict: Verdict, code: ReasonCode, facts: object = {}): Refusal {
  if (verdict.ok) assert.fail(`accepted, expected ${code}`)
  assert.equal(verdict.code, code, verdict.message)
  assert.partialDeepStrictEqual(verdict.facts, facts)
  assert.doesNotMatch(verdict.message, /^[A-Z][a-z]|\.$|undefined|\[object/)
  return verdict
}

function finish(certificate: Certificate, signer: SyncSigner, change: Change = {}): Certificate {
  const fields = DerReader.open(certificate.tbs, 'certificate').sequence('tbsCertificate')
  const version = fields.element('version')
  const serialNumber = fields.element('serialNumber')
  const others = [1, 2, 3, 4, 5].map(() => fields.element('field', TAG.sequence))
  const all = [...certificate.extensions.all]
  const extensions = (change.extensions?.(all) ?? all).map(extensionNode)
  const tbs = encodeDer(
    sequence(
      change.version ?? version,
      change.serialNumber ?? serialNumber,
      ...others,
      ...(extensions.length === 0 ? [] : [context(3, sequence(...extensions))]),
    ),
  )
  const der = sequence(tbs, signer.signatureAlgorithm, bitString(signer.sign(tbs)))
  return Certificate.parse(encodeDer(der))
}

function extensionNode({ oid: dotted, critical, value }: RawExtension): DerNode {
  return sequence(oid(dotted), ...(critical ? [boolean(true)] : []), octetString(value))
}

const VALIDITY = {
  notBefore: new Date(NOW.getTime() - YEAR),
  notAfter: new Date(NOW.getTime() + YEAR),
}
