/**
 * Who is calling: the one answer of every way to prove it.
 *
 * @module
 */

/** Somebody the service knows. */
export interface Principal {
  /** Immutable, unlike the name. */
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
}

/** How somebody proved who they are. */
export type AuthMethod = 'session'

/** Who is calling and how that is known. Frozen: it is shared by the requests of one session. */
export interface AuthContext {
  readonly principal: Principal
  readonly via: AuthMethod
  /** The credential that was used: for a session its `sid`. */
  readonly credentialId: string
  /** When the person last proved who they are. */
  readonly authTime: Date
  /** What the credential may be used for; `'*'` is everything the roles allow. */
  readonly scopes: '*' | readonly string[]
  /** The session's public identifier. */
  readonly sid?: string | undefined
}
