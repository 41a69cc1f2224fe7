/**
 * Making certificate revocation lists (RFC 5280 §5.1): version 2, with number and authority key identifier.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { signedNode, signLater, signNow } from './build-certificate.ts'
import {
  CRL_FRAME_OPTIONS,
  checkFrame,
  type CrlFrameTemplate,
  frameTbs,
  invalidCrl,
} from './crl-frame.ts'
import { type RevokedCertificate, checkedSerial, encodeEntry } from './crl-entry.ts'
import { CertificateRevocationList } from './crl.ts'
import { plainView } from './der-reader.ts'
import { encodeDer } from './der-writer.ts'
import type { Signer, SyncSigner } from './signature.ts'

/** What {@link buildCrl} puts into a list. */
export interface CrlTemplate extends CrlFrameTemplate {
  /** In any order. A date later than `thisUpdate` is written as `thisUpdate`; reason `unspecified` is not written. */
  revoked: Iterable<RevokedCertificate>
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
  checkFrame(template, signer)
  const entries = encodeEntries(template)
  const { before, after } = frameTbs(template, signer, entries.length)
  return plainView(Buffer.concat([before, entries, after]))
}

/** The entries, one behind the other. */
function encodeEntries(template: CrlTemplate): Uint8Array {
  const seen = new Set<string>()
  const encoded: Uint8Array[] = []
  for (const entry of template.revoked) {
    const serial = checkedSerial(entry.serialNumber)
    encoded.push(encodeDer(encodeEntry(serial, entry, template.thisUpdate)))
    seen.add(serial)
    if (seen.size < encoded.length) throw invalidCrl(`the serial number ${serial} is there twice`)
  }
  return plainView(Buffer.concat(encoded))
}

const TEMPLATE: readonly (keyof CrlTemplate)[] = [...CRL_FRAME_OPTIONS, 'revoked']
