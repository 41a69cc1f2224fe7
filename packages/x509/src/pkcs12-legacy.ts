/**
 * The encryption of PKCS#12 that programs of before 2019 know: triple DES under the key derivation of PKCS#12 (RFC 7292 appendix C).
 * Written for them on request, never read.
 *
 * @module
 */
import { createCipheriv, randomBytes } from 'node:crypto'
import { integer, octetString, oid, sequence } from './der-writer.ts'
import { X509Error } from './errors.ts'
import type { Pbes2Ciphertext } from './pbes.ts'
import { bmpPassword, derivePkcs12Key, PKCS12_PURPOSE, SHA1 } from './pkcs12-kdf.ts'

/**
 * Encrypts under a password, with fresh salt.
 *
 * @throws {@link X509Error} `passphrase-missing` for an empty password
 */
export function encryptLegacy(
  plain: Uint8Array,
  password: string,
  iterations: number,
): Pbes2Ciphertext {
  if (password === '') {
    throw new X509Error('passphrase-missing', 'the passphrase to encrypt with is empty')
  }
  const salt = randomBytes(8)
  const input = { digest: SHA1, password: bmpPassword(password), salt, iterations }
  const key = derivePkcs12Key({ ...input, purpose: PKCS12_PURPOSE.key }, 24)
  const iv = derivePkcs12Key({ ...input, purpose: PKCS12_PURPOSE.iv }, 8)
  const cipher = createCipheriv('des-ede3-cbc', key, iv)
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()])
  const parameters = sequence(octetString(salt), integer(iterations))
  return { algorithm: sequence(oid(SHA1_AND_TRIPLE_DES), parameters), ciphertext }
}

/** What OpenSSL and Windows wrote: they give up on many more. */
export const LEGACY_ITERATIONS = 2048
/** pbeWithSHAAnd3-KeyTripleDES-CBC */
const SHA1_AND_TRIPLE_DES = '1.2.840.113549.1.12.1.3'
