/**
 * Making certificate revocation lists (RFC 5280 §5.1): version 2, with number and authority key identifier.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { signedNode, signLater, signNow } from './build-certificate.ts'
import type { Certificate } from './certificate.ts'
import { type RevokedCertificate, checkedSerial, encodeEntry } from './crl-entry.ts'
import { CertificateRevocationList } from './crl.ts'
import { plainView } from './der-reader.ts'
import {
  type DerNode,
  boolean,
  context,
  contextPrimitive,
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
import type { Signer, SyncSigner } from './signature.ts'

/** What {@link buildCrl} puts into a list. */
export interface CrlTemplate {
  /** The authority, by whose key the list is signed. */
  issuer: Certificate
  /** Larger than that of every list before, at most 20 bytes (RFC 5280 §5.2.3). */
  crlNumber: bigint
  thisUpdate: Date
  /** When the next list comes at the latest; whoever finds an older list then trusts nothing. */
  nextUpdate: Date
  /** In any order. A date later than `thisUpdate` is written as `thisUpdate`; reason `unspecified` is not written. */
  revoked: Iterable<RevokedCertificate>
  /** Where the list is found: exactly a URI of the certificates' distribution points. */
  issuingDistributionPoint?: string | undefined
}

/**
 * Makes and signs a list.
 *
 * @throws {@link X509Error} `crl-invalid` where the issuer may not sign lists, the key is not the issuer's, a serial
 * number is malformed or there twice, or the dates or the number are impossible; `signing-failed`
 */
export function buildCrl(template: CrlTemplate, signer: SyncSigner): CertificateRevocationList {
  const tbs = encodeTbs(template, signer)
  const signature = signNow(tbs, signer)
  return finish(tbs, signer, signature)
}

/**
 * Makes and signs a list with a key that answers later.
 *
 * @throws {@link X509Error} as {@link buildCrl}
 */
export async function buildCrlAsync(
  template: CrlTemplate,
  signer: Signer,
): Promise<CertificateRevocationList> {
  const tbs = encodeTbs(template, signer)
  const signature = await signLater(tbs, signer)
  return finish(tbs, signer, signature)
}

function finish(tbs: Uint8Array, signer: Signer, signature: Uint8Array): CertificateRevocationList {
  return CertificateRevocationList.fromDer(encodeDer(signedNode(tbs, signer, signature)))
}

function encodeTbs(template: CrlTemplate, signer: Signer): Uint8Array {
  checkOptions(template, TEMPLATE, 'buildCrl')
  checkTemplate(template, signer)
  const { issuer, thisUpdate, nextUpdate } = template
  const entries = encodeEntries(template)
  return encodeDer(
    sequence(
      integer(1),
      signer.signatureAlgorithm,
      issuer.subject.der,
      time(thisUpdate),
      time(nextUpdate),
      // Absent where there is none: an empty list is forbidden (RFC 5280 §5.1.2.6).
      ...(entries.length === 0 ? [] : [sequence(entries)]),
      context(0, sequence(...encodeExtensions(template))),
    ),
  )
}

function checkTemplate(template: CrlTemplate, signer: Signer): void {
  const { issuer, crlNumber, thisUpdate, nextUpdate } = template
  if (!issuer.publicKey.equals(signer.publicKey)) {
    throw invalid('the key is not the one of the issuer')
  }
  const { keyUsage } = issuer.extensions
  if (!issuer.isCa || (keyUsage !== undefined && !keyUsage.includes('cRLSign'))) {
    throw invalid(
      `the certificate of ${issuer.subject.toString()} may not sign revocation lists`,
      'an issuer needs CA:TRUE and the key usage cRLSign',
    )
  }
  if (typeof crlNumber !== 'bigint' || crlNumber < 0n || crlNumber >= MAX_NUMBER) {
    throw invalid('the number must be a bigint from 0 to 2^159 - 1')
  }
  if (!isWritableTime(thisUpdate) || !isWritableTime(nextUpdate)) {
    throw invalid('thisUpdate or nextUpdate is no date of the years 0 to 9999')
  }
  if (Math.floor(nextUpdate.getTime() / 1000) <= Math.floor(thisUpdate.getTime() / 1000)) {
    throw invalid('nextUpdate must be later than thisUpdate')
  }
}

/** The entries, one behind the other. */
function encodeEntries(template: CrlTemplate): Uint8Array {
  const seen = new Set<string>()
  const encoded: Uint8Array[] = []
  for (const entry of template.revoked) {
    const serial = checkedSerial(entry.serialNumber)
    encoded.push(encodeDer(encodeEntry(serial, entry, template.thisUpdate)))
    seen.add(serial)
    if (seen.size < encoded.length) throw invalid(`the serial number ${serial} is there twice`)
  }
  return plainView(Buffer.concat(encoded))
}

function encodeExtensions(template: CrlTemplate): DerNode[] {
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

function invalid(problem: string, hint?: string): X509Error {
  return new X509Error('crl-invalid', `revocation list: ${problem}`, { hint })
}

const TEMPLATE: readonly (keyof CrlTemplate)[] = [
  'issuer',
  'crlNumber',
  'thisUpdate',
  'nextUpdate',
  'revoked',
  'issuingDistributionPoint',
]

/** Twenty bytes of INTEGER. */
const MAX_NUMBER = 1n << 159n
