/**
 * A revocation list without its entries: what stands before and behind them (RFC 5280 §5.1), so that a long list is made without being
 * held in memory.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { TAG } from './der-tags.ts'
import {
  type DerNode,
  boolean,
  context,
  contextPrimitive,
  elementHeader,
  encodeDer,
  integer,
  isWritableTime,
  octetString,
  oid,
  sequence,
  time,
} from './der-writer.ts'
import { X509Error } from './errors.ts'
import { generalNameNode } from './general-name.ts'
import { OID } from './oid.ts'
import type { Signer } from './signature.ts'

/** What a list says beside its entries. */
export interface CrlFrameTemplate {
  /** The authority, by whose key the list is signed. */
  issuer: Certificate
  /** Larger than that of every list before, at most 20 bytes (RFC 5280 §5.2.3). */
  crlNumber: bigint
  thisUpdate: Date
  /** When the next list comes at the latest; whoever finds an older list then trusts nothing. */
  nextUpdate: Date
  /** Where the list is found: exactly a URI of the certificates' distribution points. */
  issuingDistributionPoint?: string | undefined
}

/** The signed part of a list, around its entries. */
export interface TbsFrame {
  readonly before: Uint8Array
  readonly after: Uint8Array
}

/** @param entriesLength - bytes of all entries */
export function frameTbs(
  template: CrlFrameTemplate,
  signer: Signer,
  entriesLength: number,
): TbsFrame {
  const fields = [
    integer(1),
    signer.signatureAlgorithm,
    template.issuer.subject.der,
    time(template.thisUpdate),
    time(template.nextUpdate),
  ].map((node) => encodeDer(node))
  // Absent where there is none: an empty list is forbidden (RFC 5280 §5.1.2.6).
  if (entriesLength > 0) fields.push(elementHeader(TAG.sequence, entriesLength))
  const after = encodeDer(context(0, sequence(...encodeExtensions(template))))
  const before = Buffer.concat(fields)
  const header = elementHeader(TAG.sequence, before.length + entriesLength + after.length)
  return { before: Buffer.concat([header, before]), after }
}

/**
 * @throws {@link X509Error} `crl-invalid` where the issuer may not sign lists, the key is not the issuer's, or dates or number are
 * impossible
 */
export function checkFrame(template: CrlFrameTemplate, signer: Signer): void {
  const { issuer, crlNumber, thisUpdate, nextUpdate } = template
  if (!issuer.publicKey.equals(signer.publicKey)) {
    throw invalidCrl('the key is not the one of the issuer')
  }
  const { keyUsage } = issuer.extensions
  if (!issuer.isCa || (keyUsage !== undefined && !keyUsage.includes('cRLSign'))) {
    throw invalidCrl(
      `the certificate of ${issuer.subject.toString()} may not sign revocation lists`,
      'an issuer needs CA:TRUE and the key usage cRLSign',
    )
  }
  if (typeof crlNumber !== 'bigint' || crlNumber < 0n || crlNumber >= MAX_NUMBER) {
    throw invalidCrl('the number must be a bigint from 0 to 2^159 - 1')
  }
  if (!isWritableTime(thisUpdate) || !isWritableTime(nextUpdate)) {
    throw invalidCrl('thisUpdate or nextUpdate is no date of the years 0 to 9999')
  }
  if (Math.floor(nextUpdate.getTime() / 1000) <= Math.floor(thisUpdate.getTime() / 1000)) {
    throw invalidCrl('nextUpdate must be later than thisUpdate')
  }
}

function encodeExtensions(template: CrlFrameTemplate): DerNode[] {
  const keyId = template.issuer.extensions.subjectKeyIdentifier ?? template.issuer.publicKey.keyId()
  const extensions = [
    extension(OID.authorityKeyIdentifier, sequence(contextPrimitive(0, keyId))),
    extension(OID.crlNumber, integer(template.crlNumber)),
  ]
  const uri = template.issuingDistributionPoint
  if (uri !== undefined) {
    const fullName = context(0, generalNameNode({ type: 'uri', value: uri }))
    const value = octetString(sequence(context(0, fullName)))
    // Critical: a reader that does not know it would take the list for one about everything (RFC 5280 §5.2.5).
    extensions.push(sequence(oid(OID.issuingDistributionPoint), boolean(true), value))
  }
  return extensions
}

function extension(type: string, value: DerNode): DerNode {
  return sequence(oid(type), octetString(value))
}

/** The refusal of a list that cannot be. */
export function invalidCrl(problem: string, hint?: string): X509Error {
  return new X509Error('crl-invalid', `revocation list: ${problem}`, { hint })
}

/** The names of {@link CrlFrameTemplate}. */
export const CRL_FRAME_OPTIONS: readonly (keyof CrlFrameTemplate)[] = [
  'issuer',
  'crlNumber',
  'thisUpdate',
  'nextUpdate',
  'issuingDistributionPoint',
]

/** Twenty bytes of INTEGER. */
const MAX_NUMBER = 1n << 159n
