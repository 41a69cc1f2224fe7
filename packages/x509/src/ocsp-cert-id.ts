/**
 * How OCSP names a certificate (RFC 6960 §4.1.1): hashes over its issuer's name and key, and its serial number.
 *
 * @module
 */
import { hash } from 'node:crypto'
import type { Certificate } from './certificate.ts'
import { normaliseSerial } from './crl-entry.ts'
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { encodeDer, nullValue, octetString, oid, sequence, unsignedInteger } from './der-writer.ts'
import { X509Error } from './errors.ts'
import { hexSerial } from './extension-readers.ts'
import { OID } from './oid.ts'
import type { KeyHashAlgorithm } from './public-key.ts'

/**
 * The hash of a certificate id. It protects nothing: whoever wants to deceive signs an answer, and cannot. SHA-1 is what every
 * responder understands (RFC 5019 §2.1.1).
 */
export type OcspHash = KeyHashAlgorithm

/** The name of one certificate. It is kept as it was encoded, so that an answer repeats the question's own bytes. */
export class OcspCertId {
  /** DER; must not be changed. */
  readonly der: Uint8Array
  /** `undefined` for a hash that is not known here: such an id fits no certificate. */
  readonly hash: OcspHash | undefined
  readonly issuerNameHash: Uint8Array
  readonly issuerKeyHash: Uint8Array
  /** Upper-case hex, as {@link Certificate.serialNumber}. */
  readonly serialNumber: string

  private constructor(der: Uint8Array) {
    const reader = DerReader.open(der, 'OCSP')
    const fields = reader.sequence('CertID')
    reader.finish('CertID')
    const algorithm = fields.sequence('hashAlgorithm')
    const dotted = algorithm.oid('hashAlgorithm')
    if (algorithm.has(TAG.null)) algorithm.null('hashAlgorithm')
    algorithm.finish('hashAlgorithm')
    this.der = der
    this.hash = HASHES.get(dotted)
    this.issuerNameHash = fields.octetString('issuerNameHash')
    this.issuerKeyHash = fields.octetString('issuerKeyHash')
    this.serialNumber = hexSerial(fields.integerBytes('serialNumber'))
    fields.finish('CertID')
  }

  /**
   * The id of a certificate.
   *
   * @param issuer - the authority whose key signed it
   * @param algorithm - @defaultValue `sha1`
   * @throws {@link X509Error} `ocsp-invalid` where the issuer has another name than the certificate says
   */
  static of(
    certificate: Certificate,
    issuer: Certificate,
    algorithm: OcspHash = 'sha1',
  ): OcspCertId {
    if (!certificate.issuer.equals(issuer.subject)) {
      throw new X509Error(
        'ocsp-invalid',
        `the certificate is issued by ${certificate.issuer.toString()}, not by ${issuer.subject.toString()}`,
      )
    }
    return encodeId(certificate.issuer.der, issuer, certificate.serialNumber, algorithm)
  }

  /**
   * The id of a certificate that is not at hand, by its serial number.
   *
   * @param serialNumber - hex of either case, with or without colons
   * @param algorithm - @defaultValue `sha1`
   * @throws {@link X509Error} `ocsp-invalid` where the serial number is none
   */
  static forSerial(
    serialNumber: string,
    issuer: Certificate,
    algorithm: OcspHash = 'sha1',
  ): OcspCertId {
    return encodeId(issuer.subject.der, issuer, serialNumber, algorithm)
  }

  /**
   * Reads an id without copying it.
   *
   * @throws {@link X509Error} `der-malformed`
   */
  static fromDer(der: Uint8Array): OcspCertId {
    return new OcspCertId(der)
  }

  /** Whether it names a certificate of this authority: both hashes fit its name and key. */
  isFrom(issuer: Certificate): boolean {
    return this.#isFrom(issuer.subject.der, issuer)
  }

  /** Whether it names this very certificate of this authority. */
  names(certificate: Certificate, issuer: Certificate): boolean {
    return (
      this.serialNumber === certificate.serialNumber && this.#isFrom(certificate.issuer.der, issuer)
    )
  }

  #isFrom(issuerName: Uint8Array, issuer: Certificate): boolean {
    if (this.hash === undefined) return false
    return (
      areEqual(this.issuerNameHash, nameHash(this.hash, issuerName)) &&
      areEqual(this.issuerKeyHash, issuer.publicKey.keyHash(this.hash))
    )
  }
}

function encodeId(
  issuerName: Uint8Array,
  issuer: Certificate,
  serialNumber: string,
  algorithm: OcspHash,
): OcspCertId {
  const serial = normaliseSerial(serialNumber)
  const dotted = [...HASHES].find(([, name]) => name === algorithm)?.[0]
  if (serial === undefined || serial.startsWith('-')) {
    throw new X509Error('ocsp-invalid', `${JSON.stringify(serialNumber)} is no serial number`, {
      hint: 'write it in hex, as countersign show prints it',
    })
  }
  if (dotted === undefined) {
    throw new X509Error('ocsp-invalid', `unknown hash ${JSON.stringify(algorithm)}`, {
      hint: `known hashes: ${[...HASHES.values()].join(', ')}`,
    })
  }
  const node = sequence(
    // With a NULL, as OpenSSL and everybody after it writes it: some compare the bytes.
    sequence(oid(dotted), nullValue()),
    octetString(nameHash(algorithm, issuerName)),
    octetString(issuer.publicKey.keyHash(algorithm)),
    unsignedInteger(Buffer.from(serial, 'hex')),
  )
  return OcspCertId.fromDer(encodeDer(node))
}

function nameHash(algorithm: OcspHash, der: Uint8Array): Uint8Array {
  return hash(algorithm, der, 'buffer')
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

const HASHES: ReadonlyMap<string, OcspHash> = new Map<string, OcspHash>([
  [OID.sha1, 'sha1'],
  [OID.sha256, 'sha256'],
  [OID.sha384, 'sha384'],
  [OID.sha512, 'sha512'],
])
