/**
 * Who sends this request: every credential it carries goes through here, and through one gate.
 *
 * @module
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type Clock, systemClock } from '@countersign/core'
import type { AuthContext } from './context.ts'
import { DUPLICATE, sessionCookie } from './cookies.ts'
import { type CredentialMethod, Rejection } from './credential-method.ts'
import { isCrossSite, isUnsafe } from './cross-site.ts'
import type { OnAuthEvent } from './events.ts'
import { bindingFault } from './gate.ts'
import { LESSON_COOKIES, readLessonCookies } from './lesson.ts'
import { type AuthPeer, isLoopback } from './peer.ts'
import { CookieReader, type PresentedCookie } from './presented-cookie.ts'
import { Refusal, type RefusalCode, type RefusalDetail, type Refusals } from './problems.ts'
import type { SessionRenewal } from './session-renewal.ts'
import type { Sessions } from './sessions.ts'
import type { LiveSession } from './session-types.ts'

/** What {@link Authenticator} is made of. */
export interface AuthenticatorParts {
  clock: Clock
  onEvent: OnAuthEvent
  refusals: Refusals
  sessions: Sessions
  renewal: SessionRenewal
  /** Every way but the cookie. */
  methods: readonly CredentialMethod[]
  cookies: SessionCookieNames
  sameSite: 'Lax' | 'Strict'
  /** Whether plain HTTP is good enough on this machine itself. */
  allowPlainLoopback: boolean
  lessonCookies: boolean
  lessonErrors: boolean
}

/** What the session's cookie is called. */
interface SessionCookieNames {
  /** Over HTTPS, with the prefix that keeps subdomains and plain HTTP from setting it. */
  secure: string
  /** Over plain HTTP, where that is allowed. */
  plain: string
}

/** Somebody who is recognised. */
export interface Caller {
  readonly context: AuthContext
  /** Where a cookie was presented. */
  readonly session?: LiveSession | undefined
  /** The session has a new token: what the answer has to set. */
  readonly setCookie?: string | undefined
}

/** Tells who sends a request. */
export class Authenticator {
  readonly #parts: AuthenticatorParts
  readonly #cookies = new CookieReader()
  readonly #byHeader: readonly CredentialMethod[]
  readonly #byConnection: readonly CredentialMethod[]
  readonly #now: () => number

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts
    const { clock } = parts
    // Asked on every request, which needs no object for the machine's own time.
    this.#now = clock === systemClock ? Date.now : () => clock().getTime()
    this.#byHeader = parts.methods.filter((method) => method.source === 'authorization')
    this.#byConnection = parts.methods.filter((method) => method.source === 'connection')
  }

  /**
   * Who sends a request, or why nobody is recognised. Without waiting where the session was seen within two seconds: a promise
   * on every request is what a gate in front of a small answer would mostly cost.
   *
   * @param mayRenew - whether the answer can carry a cookie: a session may then get a new token
   * @param sent - the same headers as Node has read them, where they are at hand
   */
  decide(
    request: Request,
    peer: AuthPeer | undefined,
    mayRenew = false,
    sent?: IncomingHttpHeaders,
  ): Caller | Refusal | Promise<Caller | Refusal> {
    // Node joins cookies as a request does. Of two Authorization headers it drops one, so only that there is none is believed.
    const cookie = sent === undefined ? request.headers.get('cookie') : (sent.cookie ?? null)
    const bare = sent !== undefined && sent.authorization === undefined
    const authorization = bare ? null : request.headers.get('authorization')
    const presented = cookie === null ? undefined : this.#presented(cookie, peer)
    const token = presented?.token
    if (token === undefined && authorization === null) return this.#connection(request, peer)
    const refused = this.#precheck(request, peer, token, authorization)
    if (refused !== undefined) return this.#refuse(refused[0], refused[1], peer)
    if (authorization !== null) return this.#header(request, peer, authorization)
    const hash = presented?.hash
    if (hash === undefined || typeof token !== 'string') {
      return this.#refuse('credentials-invalid', 'not-a-token', peer)
    }
    const now = this.#now()
    const recent = this.#parts.sessions.recent(hash, now)
    if (recent === undefined) return this.#look(hash, token, cookie, peer, mayRenew)
    if (mayRenew && this.#parts.renewal.isDue(recent, now)) {
      return this.#guarded(peer, () => this.#renewed(recent, token, cookie, peer))
    }
    return this.#session(recent, cookie, peer)
  }

  /** Why no credentials may pass over this connection; `undefined` where they may. */
  barrier(peer: AuthPeer | undefined): 'tls-required' | 'loopback-only' | undefined {
    const { allowPlainLoopback, lessonCookies, lessonErrors } = this.#parts
    // The address that was named at the start may not be the one that was bound.
    if ((lessonCookies || lessonErrors) && !isLoopback(peer?.address)) return 'loopback-only'
    // Where TLS decides, nobody looks at the address: to parse it would be a tenth of what a guard does.
    if (peer?.encrypted === true) return undefined
    return allowPlainLoopback && isLoopback(peer?.address) ? undefined : 'tls-required'
  }

  /** The name of the session's cookie on this connection. */
  cookieName(peer: AuthPeer | undefined): string {
    return peer?.encrypted === true ? this.#parts.cookies.secure : this.#parts.cookies.plain
  }

  /** The `Set-Cookie` that hands a session's token out. */
  cookieOf(session: LiveSession, token: string, peer: AuthPeer | undefined): string {
    const secure = peer?.encrypted === true
    const { clock, sameSite } = this.#parts
    const left = Math.floor((session.expires - clock().getTime()) / 1000)
    const maxAgeSeconds = session.remember ? Math.max(0, left) : undefined
    return sessionCookie(this.cookieName(peer), token, { secure, sameSite, maxAgeSeconds })
  }

  /** Our own origin as a browser sees it on this connection. */
  origin(request: Request, peer: AuthPeer | undefined): string {
    const url = new URL(request.url)
    if (peer?.encrypted === true) url.protocol = 'https:'
    return url.origin
  }

  #presented(header: string, peer: AuthPeer | undefined): PresentedCookie {
    const name = this.#parts.lessonCookies ? LESSON_COOKIES.token : this.cookieName(peer)
    return this.#cookies.read(header, name, peer)
  }

  /** What is wrong with a request whatever its credential is: the refusal and its true reason. */
  #precheck(
    request: Request,
    peer: AuthPeer | undefined,
    token: string | typeof DUPLICATE | undefined,
    authorization: string | null,
  ): readonly [RefusalCode, string] | undefined {
    const barrier = this.barrier(peer)
    if (barrier !== undefined) {
      return [barrier, barrier === 'tls-required' ? 'plain-http' : barrier]
    }
    if (authorization !== null) {
      if (token !== undefined) return ['two-credentials', 'cookie-and-authorization']
      // Two headers of that name arrive as one with a comma, which no token has.
      if (authorization.includes(',')) return ['two-credentials', 'authorization-twice']
      return undefined
    }
    if (token === DUPLICATE) return ['credentials-invalid', 'duplicate-cookie']
    if (isUnsafe(request.method) && isCrossSite(request.headers, this.origin(request, peer))) {
      return ['cross-site-request', 'cross-site-request']
    }
    return undefined
  }

  /** Whoever presents a token in `Authorization`. */
  #header(
    request: Request,
    peer: AuthPeer | undefined,
    authorization: string,
  ): Refusal | Promise<Caller | Refusal> {
    // RFC 6750 §2.1 and whatever else: a token of 8 KiB is none of ours.
    if (authorization.length <= MAX_AUTHORIZATION) {
      for (const method of this.#byHeader) {
        const presented = method.presented(request, peer)
        if (presented !== undefined) return this.#verified(method, presented, request, peer)
      }
    }
    return this.#refuse('credentials-invalid', 'authorization-unsupported', peer)
  }

  /** Whoever presents nothing but perhaps the certificate of the connection. */
  #connection(request: Request, peer: AuthPeer | undefined): Refusal | Promise<Caller | Refusal> {
    for (const method of this.#byConnection) {
      const presented = method.presented(request, peer)
      if (presented !== undefined) return this.#verified(method, presented, request, peer)
    }
    return this.#parts.refusals.of('credentials-required')
  }

  #verified(
    method: CredentialMethod,
    presented: unknown,
    request: Request,
    peer: AuthPeer | undefined,
  ): Promise<Caller | Refusal> {
    return this.#guarded(peer, async () => {
      const context = await method.verify(presented, request, peer)
      if (!(context instanceof Rejection)) return { context }
      const { code, reason, principal, detail } = context
      return this.#refuse(code, reason, peer, principal, detail)
    })
  }

  #look(
    hash: string,
    token: string,
    cookie: string | null,
    peer: AuthPeer | undefined,
    mayRenew: boolean,
  ): Promise<Caller | Refusal> {
    return this.#guarded(peer, async () => {
      const found = await this.#parts.sessions.find(hash)
      if (typeof found === 'string') return this.#refuse('credentials-invalid', found, peer)
      if (mayRenew && this.#parts.renewal.isDue(found, this.#now())) {
        return await this.#renewed(found, token, cookie, peer)
      }
      return this.#session(found, cookie, peer)
    })
  }

  /** A session whose token is exchanged on the way. */
  async #renewed(
    session: LiveSession,
    token: string,
    cookie: string | null,
    peer: AuthPeer | undefined,
  ): Promise<Caller | Refusal> {
    const caller = this.#session(session, cookie, peer)
    if (caller instanceof Refusal || this.#parts.lessonCookies) return caller
    const successor = await this.#parts.renewal.renew(session, token)
    if (successor === undefined) return caller
    this.#parts.sessions.forgetSession(session.sid)
    return { ...caller, setCookie: this.cookieOf(session, successor, peer) }
  }

  /** What is asked of a session on every request: that it is used where it is bound to. */
  #session(
    session: LiveSession,
    cookie: string | null,
    peer: AuthPeer | undefined,
  ): Caller | Refusal {
    const { context } = session
    const fault = context.cnf === undefined ? undefined : bindingFault(context.cnf, peer)
    if (fault !== undefined) {
      return this.#refuse('credentials-invalid', fault, peer, context.principal)
    }
    if (this.#parts.lessonCookies && !this.#named(session, cookie)) {
      return this.#refuse('credentials-invalid', 'username-cookie', peer, context.principal)
    }
    return session.caller
  }

  /** In the lesson a second cookie says whose token it is, and has to be right. */
  #named(session: LiveSession, cookie: string | null): boolean {
    return readLessonCookies(cookie ?? '').username === session.context.principal.name
  }

  /** Whatever is wrong with the database: nobody is let in because of it (ASVS 16.5.3). */
  async #guarded(
    peer: AuthPeer | undefined,
    work: () => Promise<Caller | Refusal>,
  ): Promise<Caller | Refusal> {
    try {
      return await work()
    } catch (error) {
      const { clock, onEvent, refusals } = this.#parts
      onEvent({ type: 'sys_store_unavailable', time: clock(), address: peer?.address, error })
      return refusals.of('store-unavailable', { retryAfterSeconds: 1 })
    }
  }

  #refuse(
    code: RefusalCode,
    reason: string,
    peer: AuthPeer | undefined,
    principal?: { id: string; name: string },
    detail: RefusalDetail = {},
  ): Refusal {
    const { clock, onEvent, refusals } = this.#parts
    onEvent({
      type: typeOf(code, reason),
      time: clock(),
      reason,
      name: principal?.name,
      principalId: principal?.id,
      address: peer?.address,
    })
    return refusals.of(code, detail)
  }
}

function typeOf(
  code: RefusalCode,
  reason: string,
): 'authn_token_invalid' | 'authn_token_reuse' | 'authz_fail' {
  if (reason === 'session-superseded') return 'authn_token_reuse'
  return code === 'credentials-invalid' ? 'authn_token_invalid' : 'authz_fail'
}

const MAX_AUTHORIZATION = 8192
