/**
 * A key that lives elsewhere: what its signer refuses keeps its own words.
 *
 * @module
 */
import { type PublicKey, type Signer, X509Error } from '@countersign/x509'
import { AuthorityError } from './errors.ts'

/**
 * Gives the signer of an issuer's key that is not in the folder. It throws an AuthorityError: `signer-unavailable` where it cannot be
 * asked, `signer-refused` where it says no. Design: `docs/design/signers.md`.
 */
export type RemoteSigner = (publicKey: PublicKey) => Signer

/** Runs work that signs; where the signer refused, that is what is thrown, and not that signing failed. */
export async function askSigner<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof X509Error && error.cause instanceof AuthorityError) throw error.cause
    throw error
  }
}
