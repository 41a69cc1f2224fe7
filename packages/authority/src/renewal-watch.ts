/**
 * Somebody who is told of renewals: who a certificate stands for is for others to know, and so is whether they still may have one.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import type { Issued } from './issue-types.ts'

/** Asked before a renewal, told after it. */
export interface RenewalWatch {
  /** Before anything is signed: what it throws is what whoever asks gets, `renewal-refused` for them to read. */
  before(certificate: Certificate): Promise<void>
  /** Once the new one is in the ledger, before anybody is given it. Where it throws, the new one is revoked. */
  after(former: Certificate, renewed: Certificate): Promise<void>
}

/**
 * Renews under the eyes of a watch.
 *
 * @param revoke - takes back what nobody was given
 * @throws what `renew` and the watch throw
 */
export async function renewWatched(
  watch: RenewalWatch | undefined,
  certificate: Certificate,
  renew: () => Promise<Issued>,
  revoke: (fingerprint: string) => Promise<unknown>,
): Promise<Issued> {
  if (watch === undefined) return await renew()
  await watch.before(certificate)
  const issued = await renew()
  try {
    await watch.after(certificate, issued.certificate)
    return issued
  } catch (error) {
    await revoke(issued.certificate.fingerprint)
    throw error
  }
}
