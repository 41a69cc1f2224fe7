/**
 * Renewal by whoever holds a certificate: the connection says so (mutual TLS), or a signature of its key. Revocation, end and policy are
 * asked again; a certificate that this authority has not issued is nothing here.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { Certificate, type CertificateRequest, X509Error } from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import { parseCsr, parseJsonObject } from './http-body.ts'
import { checkRenewalProof } from './renewal-proof.ts'
import type { Issued } from './issue-types.ts'
import type { Authority } from './types.ts'

/** What is asked, as it came. */
export interface RenewalBody {
  /** For another key, which has signed it; its names are not read. */
  readonly csr: CertificateRequest | undefined
  readonly proof:
    | { readonly certificate: Certificate; readonly time: Date; readonly signature: string }
    | undefined
}

/**
 * Reads `{ "csr"?, "certificate"?, "time"?, "signature"? }`; the last three belong together. An empty body asks for the same key.
 *
 * @throws {@link AuthorityError} `request-malformed`; CoreError `option-unknown`
 */
export function parseRenewalBody(body: Uint8Array): RenewalBody {
  if (body.length === 0) return { csr: undefined, proof: undefined }
  const fields = parseJsonObject(body)
  checkOptions(fields, ['csr', 'certificate', 'time', 'signature'], 'the body')
  const { csr, certificate, time, signature } = fields
  if (csr !== undefined && typeof csr !== 'string')
    throw malformed('csr must be a signing request in PEM')
  const request = csr === undefined ? undefined : parseCsr(csr)
  if (certificate === undefined && time === undefined && signature === undefined) {
    return { csr: request, proof: undefined }
  }
  if (
    typeof certificate !== 'string' ||
    typeof time !== 'string' ||
    typeof signature !== 'string'
  ) {
    throw malformed('certificate (PEM), time (RFC 3339) and signature (base64url) belong together')
  }
  return {
    csr: request,
    proof: { certificate: parseCertificate(certificate), time: new Date(time), signature },
  }
}

/**
 * Whose certificate is to be renewed.
 *
 * @param env - what the server handed to the application, with the peer
 * @throws {@link AuthorityError} `certificate-missing`, `proof-invalid`, `proof-stale`
 */
export function holderOf(env: unknown, { csr, proof }: RenewalBody, now: Date): Certificate {
  if (proof !== undefined) {
    const { certificate, time, signature } = proof
    checkRenewalProof({ certificate, csr: csr?.der, time }, signature, now)
    return certificate
  }
  const certificate = peerCertificate(env)
  if (certificate !== undefined) return certificate
  throw new AuthorityError('certificate-missing', 'nobody has shown a certificate to be renewed', {
    hint: 'connect with the certificate and its key, or sign the request: countersign renew FILE --from URL',
  })
}

/**
 * Renews for the holder.
 *
 * @throws {@link AuthorityError} `certificate-unknown`, `certificate-expired`, `certificate-revoked`, `request-signature`, and what the
 *   policy refuses
 */
export async function renewByHolder(
  authority: Authority,
  certificate: Certificate,
  csr: CertificateRequest | undefined,
): Promise<Issued> {
  const entry = await authority.find(certificate.fingerprint)
  if (entry === undefined) {
    throw new AuthorityError(
      'certificate-unknown',
      'this authority has not issued the certificate',
      {
        hint: 'renew it where it was issued',
      },
    )
  }
  if (entry.notAfter <= authority.now()) {
    throw new AuthorityError(
      'certificate-expired',
      `the certificate ended at ${entry.notAfter.toISOString()}`,
      {
        hint: 'what has ended proves nothing any more: enrol again, countersign enroll-token NAME',
      },
    )
  }
  if (csr !== undefined && !verifies(csr)) {
    throw new AuthorityError(
      'request-signature',
      'the signing request is not signed with the key in it',
      {
        hint: 'make the request again, with the private key that belongs to it',
      },
    )
  }
  const [name = ''] = entry.names
  return await authority.renew(certificate.fingerprint, {
    publicKey: csr?.publicKey,
    requester: `certificate ${entry.serial}`,
    by: { via: 'certificate', name, own: certificate.subjectAltNames },
  })
}

function verifies(csr: CertificateRequest): boolean {
  try {
    return csr.verify()
  } catch (error) {
    if (error instanceof X509Error) return false
    throw error
  }
}

/** The certificate that the server has verified; nothing that a request says counts. */
function peerCertificate(env: unknown): Certificate | undefined {
  if (typeof env !== 'object' || env === null || !('peer' in env)) return undefined
  const { peer } = env
  if (typeof peer !== 'object' || peer === null || !('certificate' in peer)) return undefined
  return peer.certificate instanceof Certificate ? peer.certificate : undefined
}

function parseCertificate(pem: string): Certificate {
  try {
    return Certificate.parse(pem, 'the certificate')
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    throw new AuthorityError('request-malformed', error.message, { hint: error.hint, cause: error })
  }
}

function malformed(message: string): AuthorityError {
  return new AuthorityError('request-malformed', message, {
    hint: 'send JSON with csr for another key, or nothing for the same one',
  })
}
