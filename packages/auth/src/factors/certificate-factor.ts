/**
 * `POST /auth/factors {"type":"client_cert","csr":…}`: a signing request in, a certificate out, registered in the same step.
 *
 * @module
 */
import { type Certificate, CertificateRequest, X509Error } from '@countersign/x509'
import { parseScopes } from '../names.ts'
import { type RouteParts, refuse, type SignedIn } from '../route-parts.ts'
import type { UserRecord } from '../user-record.ts'

/** What is asked for. */
export interface CertificateFactorBody {
  /** PEM; only its key is taken. */
  readonly csr: string
  readonly label?: string | undefined
  readonly scopes?: string[] | undefined
  readonly days?: number | undefined
}

/**
 * Has the key certified for its owner, and registers the certificate.
 *
 * @returns what was registered with the chain in PEM, or what to answer
 * @throws {@link AuthError} `certificate-refused`, `scope-invalid`, `credential-taken`
 */
export async function addCertificate(
  parts: RouteParts,
  { session }: SignedIn,
  owner: UserRecord,
  { csr, label, scopes, days }: CertificateFactorBody,
): Promise<{ id: string; body: object } | Response> {
  const { certificateAuthority, certificates } = parts
  if (certificateAuthority === undefined) return refuse(parts, 'factor-unavailable')
  // Before anything is signed.
  if (scopes !== undefined) parseScopes(scopes)
  const request = readRequest(csr)
  if (typeof request === 'string')
    return refuse(parts, 'invalid-csr', { facts: { reason: request } })
  const { principal } = session.context
  await certificates.checkKey(request.publicKey, principal.id)
  const chain = await certificateAuthority.issue({ principal, request, days })
  const [leaf] = chain
  if (leaf === undefined || !leaf.publicKey.equals(request.publicKey)) {
    throw new TypeError('the authority certified another key than it was asked to')
  }
  try {
    const added = await certificates.add(owner.name, leaf.der, { label, scopes })
    const { id, fingerprint, serial } = added
    return { id, body: { fingerprint, serial, chain: pemOf(chain) } }
  } catch (error) {
    // Nobody was given it.
    await certificateAuthority.revoke(leaf.fingerprint)
    throw error
  }
}

/** The request, or why it is none (RFC 2986 §4.2: its signature is the proof that whoever asks has the key). */
function readRequest(csr: string): CertificateRequest | string {
  try {
    const request = CertificateRequest.parse(csr, 'the signing request')
    return request.verify() ? request : 'the signing request is not signed with the key in it'
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    return error.message
  }
}

function pemOf(chain: readonly Certificate[]): string {
  return chain.map(({ pem }) => pem).join('')
}
