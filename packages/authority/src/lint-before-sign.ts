/**
 * Lint before sign: every certificate gets a throw-away signature first, the linter looks at it, and only then does the real
 * key sign the same bytes. What is refused never has a valid signature, so it cannot leave by any mistake further on.
 *
 * @module
 */
import {
  buildCertificate,
  type Certificate,
  type CertificateTemplate,
  createLinter,
  signAgain,
  signAgainLater,
  type Signer,
  type SyncSigner,
} from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import { askSigner } from './remote-signer.ts'

/** What the authority makes. */
export type MadeProfile = 'root' | 'issuer' | 'server' | 'client' | 'both' | 'ocsp'

/**
 * Builds a certificate and signs it, unless the linter finds an error in it. Warnings pass: some of what they are about, such as a
 * lifetime of years, an operator may have chosen.
 *
 * @throws {@link AuthorityError} `lint-refused`, with the findings; X509Error as `buildCertificate`
 */
export function buildLinted(
  template: CertificateTemplate,
  signer: SyncSigner,
  profile: MadeProfile,
): Certificate {
  return signAgain(lintedDraft(template, signer, profile), signer)
}

/**
 * The same with a key that may live elsewhere.
 *
 * @throws {@link AuthorityError} as {@link buildLinted}, and whatever the signer says: `signer-unavailable`, `signer-refused`
 */
export async function buildLintedLater(
  template: CertificateTemplate,
  signer: Signer,
  profile: MadeProfile,
): Promise<Certificate> {
  const draft = lintedDraft(template, signer, profile)
  return await askSigner(async () => signAgainLater(draft, signer))
}

function lintedDraft(
  template: CertificateTemplate,
  signer: Signer,
  profile: MadeProfile,
): Certificate {
  const { publicKey, signatureAlgorithm } = signer
  const draft = buildCertificate(template, { publicKey, signatureAlgorithm, sign: throwAway })
  const findings = LINTERS[profile](draft, publicKey).filter(({ severity }) => severity === 'error')
  const [first] = findings
  if (first === undefined) return draft
  throw new AuthorityError(
    'lint-refused',
    `a certificate that clients would refuse is not signed: ${first.message} (${first.id})`,
    { hint: first.fix, findings },
  )
}

/** No key is needed for it: the linter does not look at signatures. */
function throwAway(): Uint8Array {
  return THROW_AWAY
}

/** One sequence of two integers, as an ECDSA signature is. */
const THROW_AWAY = Uint8Array.of(0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01)
const LINTERS = {
  root: createLinter({ profile: 'root' }),
  issuer: createLinter({ profile: 'issuer' }),
  server: createLinter({ profile: 'server' }),
  client: createLinter({ profile: 'client' }),
  // Named as a server is; a client's rules ask nothing more of it.
  both: createLinter({ profile: 'server' }),
  ocsp: createLinter({ profile: 'leaf' }),
} as const
