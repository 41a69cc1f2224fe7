/**
 * Sign-in and authority, which do not know each other, brought together where a certificate is somebody's: what is asked for at
 * `/auth/factors` is issued, what ends there is revoked, what is renewed stays its owner's.
 *
 * @module
 */
import type { Auth, CertificateAuthority } from '@countersign/auth'
import type { Authority, LedgerEntry, RenewalWatch } from '@countersign/authority'
import type { GeneralName } from '@countersign/x509'

/**
 * The authority as sign-in asks it: names are those of the principal, and the rules for `factor:NAME` and for roles decide.
 *
 * @param authority - once it is open: sign-in is opened before it
 */
export function certifying(authority: () => Authority): CertificateAuthority {
  return {
    issue: async ({ principal, request: csr, days }) => {
      const name = certifiedName(principal)
      const own: GeneralName = { type: 'uri', value: `spiffe://${authority().trustDomain}/${name}` }
      const by = {
        via: 'factor',
        name: principal.name,
        roles: principal.roles,
        own: [own],
      } as const
      try {
        const { chain } = await authority().issue({
          names: [name],
          csr,
          profile: 'client',
          days: days ?? DAYS,
          requester: principal.name,
          by,
        })
        return chain
      } catch (error) {
        throw await inTermsOfSignIn(error)
      }
    },
    revoke: async (fingerprint) => {
      // Registered may be one of another authority as well; the row is what lets it in.
      if ((await authority().find(fingerprint)) !== undefined) await authority().revoke(fingerprint)
    },
  }
}

/** Sign-in as the authority asks it before and after a renewal. */
export function renewalsWatchedBy(auth: Auth): RenewalWatch {
  return {
    before: async ({ fingerprint }) => {
      try {
        await auth.certificates.checkRenewal(fingerprint)
      } catch (error) {
        throw await inTermsOfAuthority(error)
      }
    },
    after: async ({ fingerprint }, renewed) => {
      try {
        await auth.certificates.renew(fingerprint, renewed)
      } catch (error) {
        throw await inTermsOfAuthority(error)
      }
    },
  }
}

/** Tells sign-in what the authority has revoked, whoever asked for it: what is somebody's ends with all that is bound to it. */
export function revocationsHeardBy(auth: Auth): (entry: LedgerEntry) => Promise<void> {
  return async ({ fingerprint }) => {
    await auth.certificates.hearRevoked(fingerprint)
  }
}

/** What stands in the certificate of a user or service; a name that cannot is told by its identifier. */
export function certifiedName({
  id,
  name,
}: {
  readonly id: string
  readonly name: string
}): string {
  return /^[A-Za-z0-9._-]{1,64}$/.test(name) ? name : id
}

/** What the policy refuses is for whoever asks to read; what is wrong with the authority is not. */
async function inTermsOfSignIn(error: unknown): Promise<unknown> {
  const { AuthorityError, statusOf } = await import('@countersign/authority')
  if (!(error instanceof AuthorityError) || statusOf(error.code) >= 500) return error
  const { AuthError } = await import('@countersign/auth')
  return new AuthError('certificate-refused', error.message, { hint: error.hint, cause: error })
}

async function inTermsOfAuthority(error: unknown): Promise<unknown> {
  const { AuthError } = await import('@countersign/auth')
  if (!(error instanceof AuthError) || error.code !== 'certificate-refused') return error
  const { AuthorityError } = await import('@countersign/authority')
  return new AuthorityError('renewal-refused', error.message, { hint: error.hint, cause: error })
}

/** As `countersign user cert` has it. */
const DAYS = 30
