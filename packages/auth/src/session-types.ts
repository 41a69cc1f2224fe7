/**
 * Sessions as values: begun, alive, listed, ended.
 *
 * @module
 */
import type { AuthContext } from './context.ts'
import type { PrincipalKind } from './schema.ts'

/** How long sessions live. */
export interface SessionLife {
  /** Milliseconds without a request. @defaultValue 30 minutes */
  idleMs?: number | undefined
  /** Milliseconds in all. @defaultValue 12 hours */
  absoluteMs?: number | undefined
}

/** Where a session was begun from. */
export interface SessionOrigin {
  address?: string | undefined
  userAgent?: string | undefined
}

/** A session, as its owner sees it listed. */
export interface SessionInfo {
  sid: string
  principalId: string
  created: Date
  lastSeen: Date
  idleExpires: Date
  expires: Date
  address: string | undefined
  userAgent: string | undefined
}

/** A session that is valid now. */
export interface LiveSession {
  readonly hash: string
  readonly sid: string
  readonly idleExpires: number
  readonly expires: number
  readonly context: AuthContext
}

/** A session just begun; the only time its token is known. */
export interface NewSession {
  token: string
  session: LiveSession
}

/** Why a token stands for nobody. */
export type DeadSession = 'session-unknown' | 'session-expired' | 'session-outdated' | 'disabled'

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
export type TokenMaker = () => string
