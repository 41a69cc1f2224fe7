/** What the routes of the service in memory share: its state, who calls, how they are answered. */
import { randomUUID } from 'node:crypto'
import { problemDocument } from '@countersign/core'

export interface WireCertificate {
  serial: string
  names: string[]
  profile: string
  requester: string
  notBefore: string
  notAfter: string
  revokedAt?: string
  fingerprint: string
  keyType: string
}

export interface WireSession {
  sid: string
  created: string
  lastSeen: string
  address: string
  userAgent: string
  /** Whose it is. @defaultValue alice */
  user?: string
}

export interface WireFactor {
  id: string
  type: string
  label?: string
  created?: string
  lastUsed?: string | null
  expires?: string | null
  remaining?: number
}

/** What the service knows; a test changes it while the page runs. */
export interface ServiceState {
  setupCode: string | undefined
  users: Map<string, string>
  /** By token. */
  sessions: Map<string, WireSession>
  certificates: WireCertificate[]
  factors: WireFactor[]
  /** Whether a change of factors is let through without a further proof. */
  isFresh: boolean
  /** Whether nothing but the account is open until a second factor is proved. */
  wantsSecondFactor: boolean
  /** With which a password is set. */
  resetCode: string | undefined
  /** Answered instead of everything below `/auth` and `/ca`. */
  failure: { status: number; body: string; type: string } | undefined
  /** What the page asked, in order. */
  asked: string[]
  /** The same with its body. */
  sent: [string, string][]
}

/** One request to the service. */
export interface Call {
  readonly state: ServiceState
  readonly url: URL
  readonly body: Record<string, unknown>
  readonly token: string
  readonly userAgent: string
}

/** What it answers. */
export interface Answer {
  status?: number
  json?: unknown
  token?: string
}

/** Begins a session. */
export function begin({ state, body, userAgent }: Call): Answer {
  const token = randomUUID()
  const now = new Date().toISOString()
  const session = {
    sid: randomUUID(),
    created: now,
    lastSeen: now,
    address: '127.0.0.1',
    userAgent,
    // A passkey brings no name with it.
    user: typeof body['username'] === 'string' ? body['username'] : 'alice',
  }
  state.sessions.set(token, session)
  return { json: whoIs(session), token }
}

/** What the service says of a session. */
export function whoIs(session: WireSession): unknown {
  const { user: name = 'alice' } = session
  const idleExpires = new Date(Date.now() + 60 * 60_000).toISOString()
  const expires = new Date(Date.now() + 12 * 60 * 60_000).toISOString()
  return {
    principal: { id: `id of ${name}`, name, roles: ['admin'] },
    session: { sid: session.sid, idleExpires, expires },
  }
}

/** Answers whoever has a session. */
export function signedIn(call: Call, then: (session: WireSession) => Answer): Answer {
  const session = call.state.sessions.get(call.token)
  return session === undefined
    ? refuse(401, 'login-required', 'you are not signed in')
    : then(session)
}

/** A problem document. */
export function refuse(
  status: number,
  code: string,
  detail: string,
  hint?: string,
  facts?: Record<string, unknown>,
): Answer {
  return { status, json: problemDocument({ status, code, detail, hint, facts }) }
}
