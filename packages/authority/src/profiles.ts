/**
 * What a certificate may be used for. Server and client are apart: one that serves both lets a stolen server key call
 * as a client. Who needs that, as two nodes that call each other do, asks for `both`; it is named as a server is.
 *
 * @module
 */
import type { KeyUsage, PublicKey } from '@countersign/x509'
import { closest } from '@countersign/core'
import { AuthorityError } from './errors.ts'

/** The name of a profile. */
export type ProfileName = 'server' | 'client' | 'both'

/**
 * What a certificate in the ledger was issued as: a profile, the authority's own OCSP responder, or another authority below the
 * root, in a ledger that was taken over.
 */
export type LedgerProfile = ProfileName | 'ocsp' | 'authority'

/** What a profile puts into a certificate. */
export interface Profile {
  readonly extendedKeyUsage: readonly ('serverAuth' | 'clientAuth')[]
  /** Lifetime where the request names none, in days. */
  readonly defaultDays: number
}

/** Every profile. */
export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  server: { extendedKeyUsage: ['serverAuth'], defaultDays: 7 },
  client: { extendedKeyUsage: ['clientAuth'], defaultDays: 1 },
  both: { extendedKeyUsage: ['serverAuth', 'clientAuth'], defaultDays: 7 },
}

/**
 * Turns a text into the name of a profile.
 *
 * @throws {@link AuthorityError} `profile-unknown`
 */
export function parseProfile(text: unknown): ProfileName {
  if (text === 'server' || text === 'client' || text === 'both') return text
  const near = typeof text === 'string' ? closest(text, Object.keys(PROFILES)) : undefined
  throw new AuthorityError(
    'profile-unknown',
    `there is no profile "${String(text).slice(0, 40)}"`,
    {
      hint: near === undefined ? 'profiles are server, client and both' : `did you mean "${near}"?`,
    },
  )
}

/** What the key may do: an RSA key also deciphers, which TLS 1.2 asks of it; every other key only signs. */
export function keyUsageOf(key: PublicKey): readonly KeyUsage[] {
  return key.type?.startsWith('rsa') === true || key.keyObject.asymmetricKeyType === 'rsa'
    ? RSA_USAGE
    : SIGNING_USAGE
}

const SIGNING_USAGE: readonly KeyUsage[] = ['digitalSignature']
const RSA_USAGE: readonly KeyUsage[] = ['digitalSignature', 'keyEncipherment']
