/**
 * Whether what was made elsewhere can be an authority here: refused before anything is written.
 *
 * @module
 */
import type { Certificate, PrivateKey } from '@countersign/x509'
import type { CaKind } from '../ca-certificates.ts'
import { AuthorityError } from '../errors.ts'
import { checkKeyStrength } from '../key-strength.ts'

/**
 * Refuses a root that clients refuse as well, or that cannot be used here.
 *
 * @throws {@link AuthorityError} `import-refused`, `root-expired`, `key-mismatch`, `key-weak`, `key-unsupported`
 */
export function checkRoot(root: Certificate, key: PrivateKey, now: Date): void {
  checkAuthority('root', root, key, now)
  if (!root.isSelfIssued || !root.verifySignature(root.publicKey)) {
    throw refused(
      `${nameOf(root)} is no root: it is not signed with its own key`,
      'give the root that it leads to as well: --root FILE --root-key FILE --issuer FILE --issuer-key FILE',
    )
  }
}

/** Refuses an issuer, likewise. */
export function checkIssuer(
  issuer: Certificate,
  key: PrivateKey,
  root: Certificate,
  now: Date,
): void {
  checkAuthority('issuer', issuer, key, now)
  if (!issuer.issuedBy(root)) {
    throw refused(
      `${nameOf(issuer)} is not signed by ${nameOf(root)}`,
      'give the root that signed it',
    )
  }
  const fault = listFault(issuer)
  if (fault !== undefined) throw refused(`${nameOf(issuer)} ${fault}`, OWN_ISSUER)
}

/** Why no issuer of ours can stand under a root, or why its list could not be signed; `undefined` where all is well. */
export function whyNotAbove(root: Certificate): string | undefined {
  const { pathLength } = root.extensions.basicConstraints ?? {}
  if (pathLength === 0) return 'allows no other authority below it (path length 0)'
  return listFault(root)
}

/** Whether a certificate authority may sign its revocation list. */
export function maySignLists({ extensions }: Certificate): boolean {
  return extensions.keyUsage === undefined || extensions.keyUsage.includes('cRLSign')
}

/** The same for one of ours: mkcert's root, which was taken over, may not. */
export function maySignItsList({ certificate }: { readonly certificate: Certificate }): boolean {
  return maySignLists(certificate)
}

/** What people call it. */
export function nameOf({ subject }: Certificate): string {
  return subject.toString() === '' ? 'a certificate without a name' : subject.toString()
}

function checkAuthority(kind: CaKind, certificate: Certificate, key: PrivateKey, now: Date): void {
  const { extensions, publicKey, notAfter } = certificate
  const name = nameOf(certificate)
  if (!key.publicKey.equals(publicKey)) {
    throw new AuthorityError('key-mismatch', `the key that was given is not that of ${name}`, {
      hint: 'give the key file that belongs to this certificate',
    })
  }
  const maySign = extensions.keyUsage === undefined || extensions.keyUsage.includes('keyCertSign')
  if (!certificate.isCa || !maySign) {
    throw refused(
      `${name} is no certificate authority`,
      'it needs CA:TRUE and the key usage keyCertSign: clients refuse whatever it signs',
    )
  }
  if (certificate.subject.isEmpty)
    throw refused('an authority needs a name', 'make a new one: countersign init')
  if (now >= notAfter) {
    const ended = `${name} ended at ${notAfter.toISOString()}`
    if (kind === 'issuer') throw refused(ended, OWN_ISSUER)
    throw new AuthorityError('root-expired', ended, {
      hint: 'nobody trusts it any more: make a new authority with countersign init',
    })
  }
  const { permitted = [], excluded = [] } = extensions.nameConstraints ?? {}
  const strange = [...permitted, ...excluded].find(({ type }) => !CONSTRAINED_KINDS.has(type))
  if (strange !== undefined) {
    throw refused(
      `${name} constrains names of the kind ${strange.type}, which are not taken over`,
      'make a new authority for the same names: countersign init --constrain LIST',
    )
  }
  checkKeyStrength(publicKey)
}

function listFault(certificate: Certificate): string | undefined {
  return maySignLists(certificate)
    ? undefined
    : 'may not sign revocation lists (its key usage lacks cRLSign)'
}

function refused(message: string, hint: string): AuthorityError {
  return new AuthorityError('import-refused', message, { hint })
}

/** Those that leaves of ours have as alternative names; a constraint on subjects would bind responders and issuers as well. */
const CONSTRAINED_KINDS: ReadonlySet<string> = new Set(['dns', 'ip', 'email', 'uri'])
const OWN_ISSUER = 'leave it out: the root gets an issuer of its own here'
