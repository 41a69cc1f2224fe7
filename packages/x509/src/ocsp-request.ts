/**
 * OCSP requests (RFC 6960 §4.1): which certificates somebody asks about.
 *
 * Not here: sending them. A request goes as POST body, or as GET with {@link OcspRequest.path} behind the responder's URL.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { Certificate } from './certificate.ts'
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { encodeDer, sequence } from './der-writer.ts'
import { X509Error } from './errors.ts'
import { readGeneralName } from './general-name.ts'
import { OcspCertId, type OcspHash } from './ocsp-cert-id.ts'
import {
  nonceNodes,
  randomNonce,
  readingOcsp,
  readNonce,
  readOcspInput,
  readOptionalExtensions,
  readVersion,
  unknownCritical,
} from './ocsp-extensions.ts'
import { encodePem } from './pem.ts'

/** What {@link OcspRequest.build} asks about. */
export interface OcspRequestOptions {
  /** Certificates with the authority that signed them, or ids. One is what RFC 5019 and many responders want. */
  about: readonly (OcspCertId | { certificate: Certificate; issuer: Certificate })[]
  /** @defaultValue `sha1`, which every responder understands */
  hash?: OcspHash | undefined
  /** 1 to 128 bytes that the answer repeats, `false` for none. @defaultValue 32 random bytes */
  nonce?: Uint8Array | false | undefined
}

/** A request. */
export class OcspRequest {
  /** DER; must not be changed. */
  readonly der: Uint8Array
  /** What is asked about, one or more. */
  readonly ids: readonly OcspCertId[]
  readonly nonce: Uint8Array | undefined
  /** Whether it carries a signature. It is not checked: what is asked about is no secret. */
  readonly isSigned: boolean
  /** Critical extensions, of the request or of a part, that are not understood here; such a request is malformed. */
  readonly unknownCriticalExtensions: readonly string[]

  private constructor(der: Uint8Array) {
    const fields = readFields(der)
    this.der = der
    this.ids = fields.ids
    this.nonce = fields.nonce
    this.isSigned = fields.isSigned
    this.unknownCriticalExtensions = fields.unknownCritical
  }

  /**
   * Reads a request: DER, or PEM (`OCSP REQUEST`); at most 64 KiB and 100 certificates.
   *
   * @param source - where it came from, for messages
   * @throws {@link X509Error} `ocsp-malformed`, `ocsp-missing` where a PEM holds none, `ocsp-several`, the `pem-` codes
   */
  static parse(derOrPem: Uint8Array | string, source = 'OCSP request'): OcspRequest {
    const [der, ...others] = readOcspInput(derOrPem, LABEL, source)
    if (der === undefined || others.length > 0) {
      throw new X509Error('ocsp-several', `${source} holds ${others.length + 1} OCSP requests`, {
        source,
      })
    }
    return readingOcsp(source, () => new OcspRequest(der))
  }

  /**
   * Reads the request of a GET (RFC 6960 appendix A.1): base64 of the DER, percent-encoded.
   *
   * @param path - what stands behind the responder's URL and its slash
   * @throws {@link X509Error} as {@link parse}
   */
  static fromPath(path: string, source = 'OCSP request'): OcspRequest {
    if (path.length > MAX_PATH) throw malformed(source, `a path of ${path.length} characters`)
    // Some clients leave the slash and the plus of base64 as they are, others leave out what it is padded with.
    const text = path.replaceAll(/%(2B|2F|3D)/gi, (code) => decodeURIComponent(code))
    const compact = text.replace(/=+$/, '')
    if (!/^[A-Za-z0-9+/]+$/.test(compact)) throw malformed(source, 'a path that is not base64')
    const der = Buffer.from(compact, 'base64')
    if (der.toString('base64').replace(/=+$/, '') !== compact) {
      throw malformed(source, 'a path that is not whole base64')
    }
    return OcspRequest.parse(new Uint8Array(der), source)
  }

  /**
   * Asks about certificates; not signed.
   *
   * @throws {@link X509Error} `ocsp-invalid` where nothing or too much is asked, an issuer does not fit, or for an impossible
   * nonce; CoreError `option-unknown`
   */
  static build(options: OcspRequestOptions): OcspRequest {
    checkOptions(options, ['about', 'hash', 'nonce'], 'OcspRequest.build')
    const { about, hash, nonce = randomNonce() } = options
    if (about.length === 0 || about.length > MAX_IDS) {
      throw new X509Error(
        'ocsp-invalid',
        `OCSP request: about ${about.length} certificates, 1 to ${MAX_IDS} are allowed`,
      )
    }
    const ids = about.map((one) =>
      one instanceof OcspCertId ? one : OcspCertId.of(one.certificate, one.issuer, hash),
    )
    const extensions = nonceNodes(nonce === false ? undefined : nonce, 2)
    const list = sequence(...ids.map(({ der }) => sequence(der)))
    return new OcspRequest(encodeDer(sequence(sequence(list, ...extensions))))
  }

  /** PEM, `OCSP REQUEST`. */
  get pem(): string {
    return encodePem(LABEL, this.der)
  }

  /**
   * What a GET puts behind the responder's URL and a slash. RFC 5019 §5 wants GET where this is at most 255 characters long,
   * so that the answer can be cached; a nonce makes every answer another one.
   */
  get path(): string {
    return encodeURIComponent(Buffer.from(this.der).toString('base64'))
  }
}

interface Fields {
  ids: OcspCertId[]
  nonce: Uint8Array | undefined
  isSigned: boolean
  unknownCritical: string[]
}

function readFields(der: Uint8Array): Fields {
  const outer = DerReader.open(der, 'OCSP request', { maxBytes: MAX_BYTES })
  const request = outer.sequence('OCSPRequest')
  outer.finish('OCSPRequest')
  const fields = request.sequence('tbsRequest')
  const signature = request.optional(0xa0, 'optionalSignature')
  if (signature !== undefined) readSignature(signature)
  request.finish('OCSPRequest')

  readVersion(fields)
  const requestor = fields.optional(0xa1, 'requestorName')
  if (requestor !== undefined) {
    readGeneralName(requestor, 'requestorName')
    requestor.finish('requestorName')
  }
  const list = fields.sequence('requestList')
  const extensions = readOptionalExtensions(fields, 2)
  fields.finish('tbsRequest')
  const ids: OcspCertId[] = []
  const critical = new Set(unknownCritical(extensions))
  while (!list.isEmpty) {
    if (ids.length >= MAX_IDS) throw list.fault('requestList', `more than ${MAX_IDS} certificates`)
    const one = list.sequence('request')
    ids.push(OcspCertId.fromDer(one.element('reqCert', TAG.sequence)))
    for (const type of unknownCritical(readOptionalExtensions(one, 0))) critical.add(type)
    one.finish('request')
  }
  if (ids.length === 0) throw list.fault('requestList', 'no certificate is asked about')
  return {
    ids,
    nonce: readNonce(extensions),
    isSigned: signature !== undefined,
    unknownCritical: [...critical],
  }
}

/** Its form only. */
function readSignature(explicit: DerReader): void {
  const fields = explicit.sequence('optionalSignature')
  explicit.finish('optionalSignature')
  fields.element('signatureAlgorithm', TAG.sequence)
  fields.bitString('signature')
  if (fields.has(0xa0)) fields.skip('certs')
  fields.finish('optionalSignature')
}

function malformed(source: string, fault: string): X509Error {
  return new X509Error('ocsp-malformed', `${source}: ${fault}`, { source })
}

const LABEL = 'OCSP REQUEST'
const MAX_BYTES = 64 * 1024
const MAX_PATH = 2 * MAX_BYTES
const MAX_IDS = 100
