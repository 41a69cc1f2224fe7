/**
 * Who calls by the certificate of the connection: the row of its fingerprint, else a rule over its names.
 *
 * Only what the server verified for this very connection counts (`peer.certificate`): `socket.authorized` is true for a client
 * without a certificate that resumes a session (nodejs/node #35317), and a header is what anybody can write (CVE-2024-10039).
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import type { AuthContext } from '../context.ts'
import { type CredentialMethod, Rejection } from '../credential-method.ts'
import type { CredentialRecord, Credentials } from '../credentials.ts'
import { isCrossSite, isUnsafe } from '../cross-site.ts'
import type { Gate, PrincipalRecord } from '../gate.ts'
import { type AuthPeer, thumbprintOf } from '../peer.ts'
import type { Principals } from '../principals.ts'
import { RecentCache } from '../recent-cache.ts'
import type { Revocations } from '../revocations.ts'
import type { Users } from '../users.ts'
import { type CertificateRule, mayCertify, nameByRules } from './certificate-rules.ts'

/** What {@link MtlsMethod} is made of. */
export interface MtlsMethodParts {
  clock: Clock
  gate: Gate
  credentials: Credentials
  principals: Principals
  users: Users
  revocations: Revocations
  /** Tried in order for a certificate that has no row. */
  rules: readonly CertificateRule[]
}

/** Recognises the certificate of a connection. */
export class MtlsMethod implements CredentialMethod<Certificate> {
  readonly via = 'mtls'
  readonly source = 'connection'
  readonly #parts: MtlsMethodParts
  readonly #cache = new RecentCache<AuthContext>()

  constructor(parts: MtlsMethodParts) {
    this.#parts = parts
    parts.revocations.listen(({ credentialId, principalId }) => {
      this.#cache.drop(
        (context) => context.credentialId === credentialId || context.principal.id === principalId,
      )
    })
    parts.revocations.onUnknown(() => {
      this.#cache.clear()
    })
  }

  presented(_request: Request, peer: AuthPeer | undefined): Certificate | undefined {
    return peer?.encrypted === true ? peer.certificate : undefined
  }

  verify(
    certificate: Certificate,
    request: Request,
    peer: AuthPeer | undefined,
  ): AuthContext | Rejection | Promise<AuthContext | Rejection> {
    // A browser sends it along without being asked, like a cookie: a page of another site must gain nothing by that.
    if (isUnsafe(request.method) && isCrossSite(request.headers, originOf(request))) {
      return new Rejection('cross-site-request', 'cross-site-request')
    }
    const thumbprint = thumbprintOf(certificate)
    const now = this.#parts.clock()
    const recent = this.#cache.get(thumbprint, now.getTime())
    if (recent === undefined) return this.#look(certificate, thumbprint, now, peer)
    const fault = this.#parts.gate.stillGood(recent, peer)
    return fault === undefined
      ? recent
      : new Rejection(fault, 'credentials-invalid', recent.principal)
  }

  async #look(
    certificate: Certificate,
    thumbprint: string,
    now: Date,
    peer: AuthPeer | undefined,
  ): Promise<AuthContext | Rejection> {
    const { credentials } = this.#parts
    const { generation } = this.#cache
    const credential = await credentials.findByHash(thumbprint)
    const found = await this.#find(certificate, credential)
    // Nobody's: whoever holds it may sign in like anybody else.
    if (found === undefined) return new Rejection('certificate-unknown', 'credentials-required')
    if (mayCertify(certificate)) return new Rejection('certificate-of-authority')
    const context = this.#admit(certificate, thumbprint, credential, found, peer)
    if (context instanceof Rejection) return context
    if (credential !== undefined) await credentials.touch(credential)
    this.#cache.put(thumbprint, context, now.getTime(), generation, context.expires?.getTime())
    return context
  }

  /** The owner of the row, whatever became of it; only without one the rules. */
  async #find(
    certificate: Certificate,
    credential: CredentialRecord | undefined,
  ): Promise<PrincipalRecord | undefined> {
    const { principals, rules, users } = this.#parts
    if (credential !== undefined) {
      return credential.kind === 'client_cert'
        ? await principals.find(credential.principalId)
        : undefined
    }
    const name = rules.length === 0 ? undefined : nameByRules(certificate, rules)
    const record = name === undefined ? undefined : await users.record(name)
    return record === undefined ? undefined : await principals.find(record.id)
  }

  #admit(
    certificate: Certificate,
    thumbprint: string,
    credential: CredentialRecord | undefined,
    principal: PrincipalRecord,
    peer: AuthPeer | undefined,
  ): AuthContext | Rejection {
    const ends = Math.min(
      certificate.notAfter.getTime() + 1000,
      credential?.expires?.getTime() ?? Number.POSITIVE_INFINITY,
    )
    return this.#parts.gate.admit(
      {
        via: 'mtls',
        credentialId: credential?.id ?? thumbprint,
        // A handshake proves the key, and nobody's presence: what asks for a fresh proof asks for a session.
        authTime: credential?.created ?? certificate.notBefore,
        amr: ['pop'],
        aal: 1,
        scopes: credential?.scopes ?? '*',
        expires: new Date(ends),
        revoked: credential?.revokedAt !== undefined,
        epoch: credential?.epoch,
        cnf: { x5tS256: thumbprint },
      },
      principal,
      peer,
    )
  }
}

/** Our own origin: certificates come over TLS only, whatever a proxy made of the address. */
function originOf(request: Request): string {
  const url = new URL(request.url)
  url.protocol = 'https:'
  return url.origin
}
