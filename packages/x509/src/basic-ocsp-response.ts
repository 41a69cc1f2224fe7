/**
 * The signed part of an OCSP response (RFC 6960 §4.2.1), reading: who answers, when, and about which certificates.
 *
 * @module
 */
import { Certificate } from './certificate.ts'
import { type RevocationReason, readReason } from './crl-entry.ts'
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { Name } from './name.ts'
import { OcspCertId } from './ocsp-cert-id.ts'
import {
  readNonce,
  readOptionalExtensions,
  readVersion,
  unknownCritical,
} from './ocsp-extensions.ts'
import type { PublicKey } from './public-key.ts'
import { signatureAlgorithmName, verifySignature } from './signature.ts'

/** What is said about a certificate; `unknown` is said of certificates the responder knows nothing of. */
export type OcspCertificateStatus =
  | { readonly status: 'good' | 'unknown' }
  | {
      readonly status: 'revoked'
      readonly date: Date
      /** Absent where none is given, which means `unspecified`. */
      readonly reason?: RevocationReason | undefined
    }

/** What a response says about one certificate. */
export type OcspAnswer = OcspCertificateStatus & {
  readonly id: OcspCertId
  /** The time at which it is known to be so. */
  readonly thisUpdate: Date
  /** When there will be a newer answer at the latest; absent where there is always a newer one. */
  readonly nextUpdate?: Date | undefined
}

/** By what a response names its responder: its subject, or the SHA-1 of its key in lower-case hex. */
export type OcspResponderId = { readonly name: Name } | { readonly keyId: string }

/** What a responder signed. */
export class BasicOcspResponse {
  /** DER; must not be changed. */
  readonly der: Uint8Array
  readonly responderId: OcspResponderId
  /** When it was signed. */
  readonly producedAt: Date
  /** One or more, in the order of the response. */
  readonly answers: readonly OcspAnswer[]
  readonly nonce: Uint8Array | undefined
  /** What came along: the delegate's certificate, where it is not the issuer itself who answers. */
  readonly certificates: readonly Certificate[]
  /** Critical extensions that are not understood here; with any of them the response must not be used. */
  readonly unknownCriticalExtensions: readonly string[]
  readonly #signed: Signed

  private constructor(der: Uint8Array) {
    const signed = readSigned(der)
    const data = readData(signed.tbs)
    this.der = der
    this.responderId = data.responderId
    this.producedAt = data.producedAt
    this.answers = data.answers
    this.nonce = data.nonce
    this.certificates = signed.certificates
    this.unknownCriticalExtensions = data.unknownCritical
    this.#signed = signed
  }

  /**
   * Reads the DER of a BasicOCSPResponse without copying it.
   *
   * @throws {@link X509Error} where a part is malformed
   */
  static fromDer(der: Uint8Array): BasicOcspResponse {
    return new BasicOcspResponse(der)
  }

  /** As OpenSSL names it: `ecdsa-with-SHA256`. */
  get signatureAlgorithm(): string {
    return signatureAlgorithmName(this.#signed.algorithm)
  }

  /** Whether this key made the signature. */
  verifySignature(responderKey: PublicKey): boolean {
    const { algorithm, tbs, signature } = this.#signed
    return verifySignature(algorithm, responderKey, tbs, signature)
  }

  /** Whether the response says that this certificate's key signed it; says nothing about the signature. */
  isBy(certificate: Certificate): boolean {
    const { responderId } = this
    if ('name' in responderId) return responderId.name.equals(certificate.subject)
    return Buffer.from(certificate.publicKey.keyId()).toString('hex') === responderId.keyId
  }
}

interface Signed {
  tbs: Uint8Array
  algorithm: Uint8Array
  signature: Uint8Array
  certificates: Certificate[]
}

function readSigned(der: Uint8Array): Signed {
  const outer = DerReader.open(der, 'OCSP response')
  const fields = outer.sequence('BasicOCSPResponse')
  outer.finish('BasicOCSPResponse')
  const tbs = fields.element('tbsResponseData', TAG.sequence)
  const algorithm = fields.element('signatureAlgorithm', TAG.sequence)
  const { bytes: signature, unusedBits } = fields.bitString('signature')
  if (unusedBits !== 0) throw fields.fault('signature', 'not a whole number of bytes')
  const explicit = fields.optional(0xa0, 'certs')
  fields.finish('BasicOCSPResponse')
  const certificates: Certificate[] = []
  if (explicit !== undefined) {
    const list = explicit.sequence('certs')
    explicit.finish('certs')
    while (!list.isEmpty) certificates.push(Certificate.parse(list.element('certificate')))
  }
  return { tbs, algorithm, signature, certificates }
}

interface ResponseData {
  responderId: OcspResponderId
  producedAt: Date
  answers: OcspAnswer[]
  nonce: Uint8Array | undefined
  unknownCritical: string[]
}

function readData(tbs: Uint8Array): ResponseData {
  const fields = DerReader.open(tbs, 'OCSP response').sequence('tbsResponseData')
  readVersion(fields)
  const responderId = readResponderId(fields)
  const producedAt = fields.generalizedTime('producedAt')
  const list = fields.sequence('responses')
  const extensions = readOptionalExtensions(fields, 1)
  fields.finish('tbsResponseData')
  const critical = new Set(unknownCritical(extensions))
  const answers: OcspAnswer[] = []
  while (!list.isEmpty) answers.push(readAnswer(list, critical))
  if (answers.length === 0) throw list.fault('responses', 'nothing is answered')
  return {
    responderId,
    producedAt,
    answers,
    nonce: readNonce(extensions),
    unknownCritical: [...critical],
  }
}

function readResponderId(fields: DerReader): OcspResponderId {
  const byName = fields.optional(0xa1, 'byName')
  if (byName !== undefined) {
    const name = Name.fromDer(byName.element('byName', TAG.sequence))
    byName.finish('byName')
    // Read now, so that a malformed name is found now.
    if (name.rdns.length === 0) throw fields.fault('byName', 'an empty name')
    return { name }
  }
  const byKey = fields.enter(0xa2, 'responderID')
  const keyId = byKey.octetString('byKey')
  byKey.finish('byKey')
  return { keyId: Buffer.from(keyId).toString('hex') }
}

/** @param critical - takes the critical extensions nobody knows */
function readAnswer(list: DerReader, critical: Set<string>): OcspAnswer {
  const fields = list.sequence('single response')
  const id = OcspCertId.fromDer(fields.element('certID', TAG.sequence))
  const status = readStatus(fields)
  const thisUpdate = fields.generalizedTime('thisUpdate')
  const next = fields.optional(0xa0, 'nextUpdate')
  const nextUpdate = next?.generalizedTime('nextUpdate')
  next?.finish('nextUpdate')
  for (const type of unknownCritical(readOptionalExtensions(fields, 1))) critical.add(type)
  fields.finish('single response')
  return { id, ...status, thisUpdate, ...(nextUpdate === undefined ? {} : { nextUpdate }) }
}

function readStatus(fields: DerReader): OcspCertificateStatus {
  const tag = fields.peek()
  if (tag === 0x80 || tag === 0x82) {
    if (fields.content(tag, 'certStatus').length > 0) {
      throw fields.fault('certStatus', 'a null with content')
    }
    return { status: tag === 0x80 ? 'good' : 'unknown' }
  }
  const revoked = fields.enter(0xa1, 'certStatus')
  const date = revoked.generalizedTime('revocationTime')
  const explicit = revoked.optional(0xa0, 'revocationReason')
  revoked.finish('certStatus')
  if (explicit === undefined) return { status: 'revoked', date }
  return { status: 'revoked', date, reason: readReason(explicit) }
}
