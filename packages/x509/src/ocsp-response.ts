/**
 * OCSP responses (RFC 6960 §4.2): what a responder says about certificates, reading and building.
 *
 * Not here: whether it is to be believed, see `verify-ocsp.ts`.
 *
 * @module
 */
import { BasicOcspResponse } from './basic-ocsp-response.ts'
import {
  type OcspResponseTemplate,
  signBasicResponse,
  signBasicResponseLater,
} from './build-ocsp-response.ts'
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { context, encodeDer, integer, octetString, oid, sequence } from './der-writer.ts'
import { X509Error } from './errors.ts'
import { readingOcsp, readOcspInput } from './ocsp-extensions.ts'
import { OID } from './oid.ts'
import { encodePem } from './pem.ts'
import type { Signer, SyncSigner } from './signature.ts'

/** How a request fared (RFC 6960 §4.2.1); only a successful response says something about certificates, and is signed. */
export const OCSP_STATUSES = [
  'successful',
  'malformedRequest',
  'internalError',
  'tryLater',
  'sigRequired',
  'unauthorized',
] as const

/** One of {@link OCSP_STATUSES}. */
export type OcspStatus = (typeof OCSP_STATUSES)[number]

/** A response. */
export class OcspResponse {
  /** DER; must not be changed. */
  readonly der: Uint8Array
  readonly status: OcspStatus
  /** What was signed; exactly where the status is `successful`. */
  readonly basic: BasicOcspResponse | undefined

  private constructor(der: Uint8Array) {
    const outer = DerReader.open(der, 'OCSP response')
    const fields = outer.sequence('OCSPResponse')
    outer.finish('OCSPResponse')
    const code = fields.smallInteger('responseStatus', TAG.enumerated)
    const status = STATUS_BY_CODE.get(code)
    if (status === undefined) throw fields.fault('responseStatus', `${code}, which means nothing`)
    const bytes = fields.optional(0xa0, 'responseBytes')
    fields.finish('OCSPResponse')
    // Unsigned, so nothing beside a status would be worth anything.
    if ((status === 'successful') !== (bytes !== undefined)) {
      throw fields.fault('responseBytes', `unexpected with the status ${status}, or missing`)
    }
    this.der = der
    this.status = status
    this.basic = bytes === undefined ? undefined : readResponseBytes(bytes)
  }

  /**
   * Reads one response: DER, or PEM (`OCSP RESPONSE`); at most 1 MiB.
   *
   * @param source - where it came from, for messages
   * @throws {@link X509Error} `ocsp-malformed`, `ocsp-missing` where a PEM holds none, `ocsp-several`, the `pem-` codes
   */
  static parse(derOrPem: Uint8Array | string, source = 'OCSP response'): OcspResponse {
    const [first, ...others] = OcspResponse.parseAll(derOrPem, source)
    if (first !== undefined && others.length === 0) return first
    throw new X509Error('ocsp-several', `${source} holds ${others.length + 1} OCSP responses`, {
      source,
    })
  }

  /**
   * Reads every response of a PEM, or the one of a DER.
   *
   * @returns one response or more, never an empty array
   * @throws {@link X509Error} as {@link parse}, but for `ocsp-several`
   */
  static parseAll(derOrPem: Uint8Array | string, source = 'OCSP response'): OcspResponse[] {
    return readOcspInput(derOrPem, LABEL, source).map((der) =>
      readingOcsp(source, () => new OcspResponse(der)),
    )
  }

  /**
   * Answers about certificates and signs the answer.
   *
   * @param signer - the key of the issuer, or of the delegate the template names
   * @throws {@link X509Error} `ocsp-invalid` where the key is not the responder's, the delegate is none of the issuer's, an id is of
   * another issuer, or a date, reason or nonce is impossible; `signing-failed`; CoreError `option-unknown`
   */
  static build(template: OcspResponseTemplate, signer: SyncSigner): OcspResponse {
    return successful(signBasicResponse(template, signer))
  }

  /**
   * The same with a key that answers later.
   *
   * @throws {@link X509Error} as {@link build}
   */
  static async buildAsync(template: OcspResponseTemplate, signer: Signer): Promise<OcspResponse> {
    return successful(await signBasicResponseLater(template, signer))
  }

  /**
   * A response that says nothing but why there is no answer; unsigned, as RFC 6960 §2.3 has it. `unauthorized` is what RFC 5019
   * §2.2.3 wants for certificates of other authorities.
   *
   * @throws {@link X509Error} `ocsp-invalid` for a status that is none
   */
  static refusal(status: Exclude<OcspStatus, 'successful'>): OcspResponse {
    const code = [...STATUS_BY_CODE].find(([, name]) => name === status)?.[0] ?? 0
    if (code === 0) {
      throw new X509Error('ocsp-invalid', `${JSON.stringify(status)} is no refusal`, {
        hint: `known: ${OCSP_STATUSES.slice(1).join(', ')}`,
      })
    }
    return new OcspResponse(encodeDer(sequence(integer(code, TAG.enumerated))))
  }

  /** PEM, `OCSP RESPONSE`. */
  get pem(): string {
    return encodePem(LABEL, this.der)
  }
}

function successful(basic: Uint8Array): OcspResponse {
  const bytes = sequence(oid(OID.ocspBasic), octetString(basic))
  return OcspResponse.parse(encodeDer(sequence(integer(0, TAG.enumerated), context(0, bytes))))
}

function readResponseBytes(explicit: DerReader): BasicOcspResponse {
  const fields = explicit.sequence('responseBytes')
  explicit.finish('responseBytes')
  const type = fields.oid('responseType')
  if (type !== OID.ocspBasic) throw fields.fault('responseType', `${type} is unknown`)
  const basic = fields.octetString('response')
  fields.finish('responseBytes')
  return BasicOcspResponse.fromDer(basic)
}

const LABEL = 'OCSP RESPONSE'
/** Code 4 is not used (RFC 6960 §4.2.1). */
const STATUS_BY_CODE: ReadonlyMap<number, OcspStatus> = new Map(
  OCSP_STATUSES.map((status, index) => [index < 4 ? index : index + 1, status]),
)
