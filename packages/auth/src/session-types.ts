/**
 * Sessions as values: begun, alive, listed, ended.
 *
 * @module
 */
import type { AssuranceLevel, AuthContext, Confirmation } from './context.ts'
import type { PrincipalKind } from './schema.ts'

/** How long sessions live, and what holds them. */
export interface SessionLife {
  /** Milliseconds without a request. @defaultValue 30 minutes */
  idleMs?: number | undefined
  /** Milliseconds in all. @defaultValue 12 hours */
  absoluteMs?: number | undefined
  /** The same for whoever asks to be remembered. @defaultValue 7 days */
  rememberIdleMs?: number | undefined
  /** @defaultValue 30 days */
  rememberAbsoluteMs?: number | undefined
  /** Milliseconds until a token is exchanged for a new one, on the way of an answer. @defaultValue 1 hour */
  renewMs?: number | undefined
  /** How many sessions somebody may have; one more ends the oldest. @defaultValue 1000 */
  most?: number | undefined
  /** Whether a session begun over a connection with a client certificate is good only with that certificate. @defaultValue false */
  bindCertificate?: boolean | undefined
}

/** The same without gaps. */
export type SessionTerms = { [Key in keyof Required<SessionLife>]: NonNullable<SessionLife[Key]> }

/** The terms where nothing else is said. */
export const DEFAULT_TERMS: SessionTerms = {
  idleMs: 30 * 60_000,
  absoluteMs: 12 * 3_600_000,
  rememberIdleMs: 7 * 86_400_000,
  rememberAbsoluteMs: 30 * 86_400_000,
  renewMs: 3_600_000,
  most: 1000,
  bindCertificate: false,
}

/** Where a session was begun from. */
export interface SessionOrigin {
  address?: string | undefined
  userAgent?: string | undefined
  /** Thumbprint of the client's certificate, where the connection has one. */
  thumbprint?: string | undefined
  /** The `__Host-…-dev` cookie: a browser that its owner has signed in from. */
  device?: string | undefined
}

/** What was proved before a session began. */
export interface SessionProof {
  /** @defaultValue `['pwd']` */
  amr?: readonly string[] | undefined
  /** @defaultValue 1 */
  aal?: AssuranceLevel | undefined
  /** When. @defaultValue now */
  authTime?: Date | undefined
  /** Stays when the browser is closed. @defaultValue false */
  remember?: boolean | undefined
  /** @defaultValue 256 random bits */
  makeToken?: TokenMaker | undefined
}

/** A session, as its owner sees it listed. */
export interface SessionInfo {
  sid: string
  principalId: string
  /** The principal's name. */
  name: string
  created: Date
  lastSeen: Date
  idleExpires: Date
  expires: Date
  address: string | undefined
  userAgent: string | undefined
}

/** A session that is valid now. */
export interface LiveSession {
  /** Of the token that is current. */
  readonly hash: string
  readonly sid: string
  readonly idleExpires: number
  readonly expires: number
  readonly remember: boolean
  /** When its token is to be exchanged. */
  readonly renewAt: number
  /** Whether it was found by the token before the current one. */
  readonly superseded: boolean
  readonly context: AuthContext
  /** Made once: what every request of the session is answered. */
  readonly caller: { readonly context: AuthContext; readonly session: LiveSession }
}

/** A session just begun; the only time its token is known. */
export interface NewSession {
  token: string
  session: LiveSession
}

/** Why a token stands for nobody. */
export type DeadSession =
  | 'session-unknown'
  | 'session-expired'
  | 'session-superseded'
  | 'credential-outdated'
  | 'user-disabled'

/** What is needed of a principal to begin a session. */
export interface SessionPrincipal {
  id: string
  name: string
  kind: PrincipalKind
  epoch: number
  roles: readonly string[]
}

/** A session that was deleted. */
export interface EndedSession {
  sid: string
  principal_id: string
}

/** Makes the token of a new session. */
type TokenMaker = () => string

/** A session and its principal as the database has them, one row for each role. */
export interface SessionRow {
  hash: string
  sid: string
  principal_id: string
  epoch: number
  auth_time: number
  last_seen: number
  idle_expires: number
  expires: number
  amr: string
  aal: AssuranceLevel
  cnf: string | null
  remember: boolean
  prev_hash: string | null
  prev_until: number | null
  renewed: number
  name: string
  kind: PrincipalKind
  status: 'active' | 'disabled'
  principal_epoch: number
  role: string | null
}

/** The binding in a row. */
export function readConfirmation(text: string | null): Confirmation | undefined {
  return text === null ? undefined : JSON.parse(text)
}
