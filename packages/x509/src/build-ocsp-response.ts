/**
 * Building the signed part of an OCSP response (RFC 6960 §4.2): what `OcspResponse.build` signs.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { OcspAnswer } from './basic-ocsp-response.ts'
import { signedNode, signLater, signNow } from './build-certificate.ts'
import type { Certificate } from './certificate.ts'
import { reasonNode, REVOCATION_REASONS, type RevocationReason } from './crl-entry.ts'
import {
  context,
  contextPrimitive,
  type DerNode,
  encodeDer,
  generalizedTime,
  isWritableTime,
  octetString,
  sequence,
} from './der-writer.ts'
import { X509Error } from './errors.ts'
import { nonceNodes } from './ocsp-extensions.ts'
import type { Signer, SyncSigner } from './signature.ts'

/** What `OcspResponse.build` puts into a response. */
export interface OcspResponseTemplate {
  /** The authority whose certificates are spoken of. */
  issuer: Certificate
  /**
   * Who answers in its place: a certificate it signed, with the extended key usage `ocspSigning`. It is sent along.
   *
   * @defaultValue none: the issuer answers itself
   */
  delegate?: Certificate | undefined
  /** One or more. A date of revocation later than `thisUpdate` is written as that; reason `unspecified` is not written. */
  answers: readonly OcspAnswer[]
  /** When it is signed. @defaultValue now */
  producedAt?: Date | undefined
  /** That of the request, 1 to 128 bytes. @defaultValue none */
  nonce?: Uint8Array | undefined
  /** By what the responder is named. @defaultValue `key`: twenty bytes, whatever its name */
  responderId?: 'key' | 'name' | undefined
}

/** The DER of a BasicOCSPResponse; the errors are those of `OcspResponse.build`. */
export function signBasicResponse(template: OcspResponseTemplate, signer: SyncSigner): Uint8Array {
  const tbs = encodeTbs(template, signer)
  return assemble(template, tbs, signer, signNow(tbs, signer))
}

/** The same with a key that answers later. */
export async function signBasicResponseLater(
  template: OcspResponseTemplate,
  signer: Signer,
): Promise<Uint8Array> {
  const tbs = encodeTbs(template, signer)
  return assemble(template, tbs, signer, await signLater(tbs, signer))
}

function assemble(
  { delegate }: OcspResponseTemplate,
  tbs: Uint8Array,
  signer: Signer,
  signature: Uint8Array,
): Uint8Array {
  const certificates = delegate === undefined ? [] : [context(0, sequence(delegate.der))]
  return encodeDer(signedNode(tbs, signer, signature, ...certificates))
}

function encodeTbs(template: OcspResponseTemplate, signer: Signer): Uint8Array {
  checkOptions(template, TEMPLATE, 'OcspResponse.build')
  const { issuer, delegate, answers, nonce, producedAt = new Date() } = template
  const responder = delegate ?? issuer
  if (!responder.publicKey.equals(signer.publicKey)) {
    throw invalid(`the key is not the one of the ${delegate === undefined ? 'issuer' : 'delegate'}`)
  }
  if (delegate !== undefined) checkDelegate(delegate, issuer)
  if (answers.length === 0) throw invalid('no answers')
  if (!isWritableTime(producedAt)) throw invalid('producedAt is no date of the years 0 to 9999')
  return encodeDer(
    sequence(
      responderNode(responder, template.responderId),
      generalizedTime(producedAt),
      sequence(...answers.map((answer) => answerNode(answer, issuer))),
      ...nonceNodes(nonce, 1),
    ),
  )
}

function checkDelegate(delegate: Certificate, issuer: Certificate): void {
  if (!delegate.issuedBy(issuer)) throw invalid('the delegate is not signed by the issuer')
  if (delegate.extensions.extendedKeyUsage?.includes('ocspSigning') !== true) {
    throw invalid(
      'the delegate may not answer: it lacks the extended key usage ocspSigning',
      "issue it with extendedKeyUsage: ['ocspSigning'] and id-pkix-ocsp-nocheck",
    )
  }
}

function responderNode(responder: Certificate, by: 'key' | 'name' = 'key'): DerNode {
  if (by === 'name') return context(1, responder.subject.der)
  if (by !== 'key') throw invalid('responderId must be key or name')
  return context(2, octetString(responder.publicKey.keyId()))
}

function answerNode(answer: OcspAnswer, issuer: Certificate): DerNode {
  const { id, thisUpdate, nextUpdate } = answer
  if (!id.isFrom(issuer)) throw invalid(`serial ${id.serialNumber} is named as another issuer's`)
  if (!isWritableTime(thisUpdate)) throw invalid('thisUpdate is no date of the years 0 to 9999')
  if (nextUpdate !== undefined) {
    if (!isWritableTime(nextUpdate)) throw invalid('nextUpdate is no date of the years 0 to 9999')
    if (Math.floor(nextUpdate.getTime() / 1000) <= Math.floor(thisUpdate.getTime() / 1000)) {
      throw invalid('nextUpdate must be later than thisUpdate')
    }
  }
  return sequence(
    id.der,
    statusNode(answer),
    generalizedTime(thisUpdate),
    ...(nextUpdate === undefined ? [] : [context(0, generalizedTime(nextUpdate))]),
  )
}

function statusNode(answer: OcspAnswer): DerNode {
  switch (answer.status) {
    case 'good':
      return contextPrimitive(0, NOTHING)
    case 'unknown':
      return contextPrimitive(2, NOTHING)
    case 'revoked':
      break
  }
  const date = answer.date > answer.thisUpdate ? answer.thisUpdate : answer.date
  if (!isWritableTime(date)) throw invalid('a date of revocation is none of the years 0 to 9999')
  return context(1, generalizedTime(date), ...reasonNodes(answer.reason))
}

function reasonNodes(reason: RevocationReason | undefined): DerNode[] {
  if (reason === undefined || reason === 'unspecified') return []
  const node = reasonNode(reason)
  if (node !== undefined) return [context(0, node)]
  throw invalid(
    `unknown revocation reason "${reason}"`,
    `known reasons: ${REVOCATION_REASONS.join(', ')}`,
  )
}

function invalid(problem: string, hint?: string): X509Error {
  return new X509Error('ocsp-invalid', `OCSP response: ${problem}`, { hint })
}

const NOTHING = new Uint8Array()
const TEMPLATE: readonly (keyof OcspResponseTemplate)[] = [
  'issuer',
  'delegate',
  'answers',
  'producedAt',
  'nonce',
  'responderId',
]
