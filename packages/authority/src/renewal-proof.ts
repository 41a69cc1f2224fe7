/**
 * Who asks for a renewal, where the connection does not say: the holder of a server's key, which is no TLS client's. The key of
 * the certificate signs what is asked for, for whom, and when.
 *
 * @module
 */
import type { Certificate, PrivateKey, PublicKey } from '@countersign/x509'
import { createHash, verify } from 'node:crypto'
import { AuthorityError } from './errors.ts'

/** What is signed. */
export interface RenewalClaim {
  readonly certificate: Certificate
  /** DER of the signing request for another key; empty where the key stays. */
  readonly csr: Uint8Array | undefined
  /** When it was signed. */
  readonly time: Date
}

/** Signs a claim with the key of its certificate. @returns base64url */
export function signRenewal(claim: RenewalClaim, key: PrivateKey): string {
  return Buffer.from(key.signer().sign(messageOf(claim))).toString('base64url')
}

/**
 * Checks a claim.
 *
 * @throws {@link AuthorityError} `proof-invalid` where another key has signed, or something else; `proof-stale` where it was signed
 *   more than five minutes from now
 */
export function checkRenewalProof(claim: RenewalClaim, signature: string, now: Date): void {
  const { certificate, time } = claim
  if (!verifies(certificate.publicKey, messageOf(claim), signature)) {
    throw new AuthorityError(
      'proof-invalid',
      'the request is not signed with the key of the certificate',
      {
        hint: 'renew with the key that belongs to the certificate',
      },
    )
  }
  if (!(Math.abs(now.getTime() - time.getTime()) <= FRESH_MS)) {
    throw new AuthorityError(
      'proof-stale',
      `the request was signed at ${timeText(time)}, and it is ${now.toISOString()}`,
      {
        hint: 'set the clock of the machine that asks',
      },
    )
  }
}

/** The lines that are signed; the first says what for, so that no other signature of the key is taken for one of these. */
function messageOf({ certificate, csr, time }: RenewalClaim): Uint8Array {
  const request = csr === undefined ? '' : createHash('sha256').update(csr).digest('hex')
  return Buffer.from(
    `countersign renewal\n${certificate.fingerprint}\n${request}\n${timeText(time)}\n`,
  )
}

function verifies(key: PublicKey, message: Uint8Array, signature: string): boolean {
  if (!/^[A-Za-z0-9_-]{1,20000}$/.test(signature)) return false
  const digest = DIGESTS.get(key.type ?? '')
  if (digest === undefined) return false
  try {
    return verify(digest, message, key.keyObject, Buffer.from(signature, 'base64url'))
  } catch {
    // What OpenSSL cannot even read verifies nothing.
    return false
  }
}

function timeText(time: Date): string {
  return Number.isNaN(time.getTime()) ? 'no time' : time.toISOString()
}

/** As the signer of each type of key signs; null where the key says it itself. */
const DIGESTS: ReadonlyMap<string, string | null> = new Map([
  ['p256', 'sha256'],
  ['p384', 'sha384'],
  ['rsa2048', 'sha256'],
  ['rsa3072', 'sha256'],
  ['rsa4096', 'sha256'],
  ['ed25519', null],
  ['ml-dsa-44', null],
  ['ml-dsa-65', null],
  ['ml-dsa-87', null],
])
const FRESH_MS = 300_000
