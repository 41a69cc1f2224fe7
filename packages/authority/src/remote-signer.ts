/**
 * A key that lives elsewhere: what its signer refuses keeps its own words.
 *
 * @module
 */
import {
  type Certificate,
  type KeyType,
  type PublicKey,
  type Signer,
  X509Error,
} from '@countersign/x509'
import { AuthorityError } from './errors.ts'

/**
 * Gives the signer of an issuer's key that is not in the folder. It throws an AuthorityError: `signer-unavailable` where it cannot be
 * asked, `signer-refused` where it says no. Design: `docs/design/signers.md`.
 */
export interface RemoteSigner {
  (publicKey: PublicKey): Signer
  /** Makes the key of the next issuer there, or answers the one that waits for its certificate. */
  makeNext?(keyType: KeyType): Promise<PublicKey>
  /**
   * Tells it the certificate of an issuer whose key it holds, before that is used.
   *
   * @param chain - that certificate, then what may lead from there to a root that the signer knows
   */
  adopt?(chain: readonly Certificate[]): Promise<void>
}

/** Runs work that signs; where the signer refused, that is what is thrown, and not that signing failed. */
export async function askSigner<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof X509Error && error.cause instanceof AuthorityError) throw error.cause
    throw error
  }
}
