/**
 * The same certificate under another signature: what was looked at is what gets signed, byte by byte.
 *
 * @module
 */
import { signedNode, signLater, signNow } from './build-certificate.ts'
import { Certificate } from './certificate.ts'
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { encodeDer } from './der-writer.ts'
import { X509Error } from './errors.ts'
import type { Signer, SyncSigner } from './signature.ts'

/**
 * Signs what a certificate says, whoever signed it before. Build with a throw-away signature, look, then sign for good.
 *
 * @param draft - its signature algorithm must be the signer's: it is part of what is signed (RFC 5280 §4.1.1.2)
 * @throws {@link X509Error} `template-invalid` where it is another algorithm, `signing-failed`
 */
export function signAgain(draft: Certificate, signer: SyncSigner): Certificate {
  checkAlgorithm(draft, signer)
  return signed(draft, signer, signNow(draft.tbs, signer))
}

/** The same with a key that may live elsewhere. */
export async function signAgainLater(draft: Certificate, signer: Signer): Promise<Certificate> {
  checkAlgorithm(draft, signer)
  return signed(draft, signer, await signLater(draft.tbs, signer))
}

function signed(
  { tbs, publicKey }: Certificate,
  signer: Signer,
  signature: Uint8Array,
): Certificate {
  return Certificate.fromTrustedDer(encodeDer(signedNode(tbs, signer, signature)), publicKey)
}

function checkAlgorithm({ tbs }: Certificate, signer: Signer): void {
  const fields = DerReader.open(tbs, 'certificate').sequence('tbsCertificate')
  if (fields.has(0xa0)) fields.skip('version')
  fields.skip('serialNumber')
  const algorithm = fields.element('signature', TAG.sequence)
  if (Buffer.compare(algorithm, signer.signatureAlgorithm) !== 0) {
    throw new X509Error(
      'template-invalid',
      'signAgain: the signer has another signature algorithm',
      {
        hint: 'build the draft with publicKey and signatureAlgorithm of the signer',
      },
    )
  }
}
