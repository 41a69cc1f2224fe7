/**
 * The one gate: every path on which somebody is recognised ends here, whatever they presented.
 *
 * Principal active, credential neither revoked nor expired, epoch equal, binding held by this very connection. A rule that
 * stands in one path and is missing in another is how CVE-2026-9798 was followed by CVE-2026-16103. Guesses are counted before
 * they are made, in `throttle.ts`: whoever checks something that can be guessed comes here with an admission only.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { AssuranceLevel, AuthContext, AuthMethod, Confirmation } from './context.ts'
import { Rejection } from './credential-method.ts'
import { type AuthPeer, thumbprintOf } from './peer.ts'
import type { PrincipalKind } from './schema.ts'

/** A principal as the database has it now. */
export interface PrincipalRecord {
  readonly id: string
  readonly name: string
  readonly kind: PrincipalKind
  readonly status: 'active' | 'disabled'
  readonly epoch: number
  readonly roles: readonly string[]
}

/** A credential that was proved, on its way to the gate. */
export interface Claim {
  readonly via: AuthMethod
  readonly credentialId: string
  readonly authTime: Date
  readonly amr: readonly string[]
  readonly aal: AssuranceLevel
  readonly scopes: '*' | readonly string[]
  readonly sid?: string | undefined
  readonly expires?: Date | undefined
  readonly revoked?: boolean | undefined
  /** The principal's epoch when the credential was made; without one the credential outlives a new password. */
  readonly epoch?: number | undefined
  readonly cnf?: Confirmation | undefined
  /** The thumbprint of the key that this request was proved to be signed with (DPoP). */
  readonly provenKey?: string | undefined
}

/** Decides whether somebody who proved a credential is let in. */
export class Gate {
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The caller, or the true reason why not. */
  admit(
    claim: Claim,
    principal: PrincipalRecord,
    peer: AuthPeer | undefined,
  ): AuthContext | Rejection {
    const reason = this.#fault(claim, principal) ?? bindingFault(claim.cnf, peer, claim.provenKey)
    if (reason !== undefined) return new Rejection(reason, 'credentials-invalid', principal)
    return contextOf(claim, principal)
  }

  /** Whether this principal may prove who they are at all, and why not. */
  closedTo(
    principal: Pick<PrincipalRecord, 'status' | 'epoch'>,
    epoch?: number,
  ): 'user-disabled' | 'credential-outdated' | undefined {
    if (principal.status !== 'active') return 'user-disabled'
    return epoch === undefined || epoch === principal.epoch ? undefined : 'credential-outdated'
  }

  /** What is asked again of somebody who was let in a moment ago: the end, and the binding to this connection. */
  stillGood(context: AuthContext, peer: AuthPeer | undefined): string | undefined {
    if (context.expires !== undefined && context.expires <= this.#clock()) {
      return 'credential-expired'
    }
    return bindingFault(context.cnf, peer)
  }

  #fault(claim: Claim, principal: PrincipalRecord): string | undefined {
    if (claim.revoked === true) return 'credential-revoked'
    if (claim.expires !== undefined && claim.expires <= this.#clock()) return 'credential-expired'
    return this.closedTo(principal, claim.epoch)
  }
}

/**
 * Why a bound credential is not good on this connection; `undefined` where it is.
 *
 * @param provenKey - the thumbprint of the key that signed a proof for this request
 */
export function bindingFault(
  cnf: Confirmation | undefined,
  peer: AuthPeer | undefined,
  provenKey?: string,
): 'certificate-missing' | 'certificate-differs' | 'key-differs' | undefined {
  if (cnf === undefined) return undefined
  if (cnf.x5tS256 !== undefined) {
    // What the server verified itself for this connection; `socket.authorized` says nothing about a resumed one.
    const certificate = peer?.certificate
    if (certificate === undefined) return 'certificate-missing'
    if (thumbprintOf(certificate) !== cnf.x5tS256) return 'certificate-differs'
  }
  if (cnf.jkt !== undefined && cnf.jkt !== provenKey) return 'key-differs'
  return undefined
}

/** The frozen answer. */
export function contextOf(claim: Claim, principal: PrincipalRecord): AuthContext {
  return Object.freeze({
    principal: Object.freeze({
      id: principal.id,
      name: principal.name,
      kind: principal.kind,
      roles: Object.freeze([...principal.roles]),
    }),
    via: claim.via,
    credentialId: claim.credentialId,
    authTime: claim.authTime,
    amr: Object.freeze([...claim.amr]),
    aal: claim.aal,
    scopes: claim.scopes === '*' ? ('*' as const) : Object.freeze([...claim.scopes]),
    sid: claim.sid,
    expires: claim.expires,
    cnf: claim.cnf === undefined ? undefined : Object.freeze({ ...claim.cnf }),
  })
}
