/**
 * Who sends this request: every credential it carries goes through here, and through one gate.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import { DUPLICATE } from './cookies.ts'
import { isCrossSite, isUnsafe } from './cross-site.ts'
import type { OnAuthEvent } from './events.ts'
import { LESSON_COOKIES, readLessonCookies } from './lesson.ts'
import { type AuthPeer, isLoopback } from './peer.ts'
import { CookieReader, type PresentedCookie } from './presented-cookie.ts'
import type { Refusal, RefusalCode, Refusals } from './problems.ts'
import type { Sessions } from './sessions.ts'
import type { LiveSession } from './session-types.ts'

/** What {@link Authenticator} is made of. */
export interface AuthenticatorParts {
  clock: Clock
  onEvent: OnAuthEvent
  refusals: Refusals
  sessions: Sessions
  cookies: SessionCookieNames
  /** Whether plain HTTP is good enough on this machine itself. */
  allowPlainLoopback: boolean
  lessonCookies: boolean
}

/** What the session's cookie is called. */
interface SessionCookieNames {
  /** Over HTTPS, with the prefix that keeps subdomains and plain HTTP from setting it. */
  secure: string
  /** Over plain HTTP, where that is allowed. */
  plain: string
}

/** Tells who sends a request. */
export class Authenticator {
  readonly #parts: AuthenticatorParts
  readonly #cookies = new CookieReader()

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts
  }

  /**
   * Who sends a request, or why nobody is recognised. Without waiting where the session was seen within two seconds: a promise
   * on every request is what a gate in front of a small answer would mostly cost.
   */
  decide(
    request: Request,
    peer: AuthPeer | undefined,
  ): LiveSession | Refusal | Promise<LiveSession | Refusal> {
    const cookie = request.headers.get('cookie')
    const authorization = request.headers.get('authorization')
    const presented = cookie === null ? undefined : this.#presented(cookie, peer)
    const token = presented?.token
    if (token === undefined && authorization === null) {
      return this.#parts.refusals.of('credentials-required')
    }
    const refused = this.#precheck(request, peer, token, authorization)
    if (refused !== undefined) return this.#refuse(refused[0], refused[1], peer)
    const hash = presented?.hash
    if (hash === undefined) return this.#refuse('credentials-invalid', 'not-a-token', peer)
    const recent = this.#parts.sessions.recent(hash)
    if (recent === undefined) return this.#look(hash, cookie, peer)
    return this.#named(recent, cookie) ? recent : this.#misnamed(peer)
  }

  /** Whether credentials may pass over this connection. */
  isPrivate(peer: AuthPeer | undefined): boolean {
    if (peer?.encrypted === true) return true
    return this.#parts.allowPlainLoopback && isLoopback(peer?.address)
  }

  /** The name of the session's cookie on this connection. */
  cookieName(peer: AuthPeer | undefined): string {
    return peer?.encrypted === true ? this.#parts.cookies.secure : this.#parts.cookies.plain
  }

  /** Our own origin as a browser sees it on this connection. */
  origin(request: Request, peer: AuthPeer | undefined): string {
    const url = new URL(request.url)
    if (peer?.encrypted === true) url.protocol = 'https:'
    return url.origin
  }

  async #look(
    hash: string,
    cookie: string | null,
    peer: AuthPeer | undefined,
  ): Promise<LiveSession | Refusal> {
    let found: Awaited<ReturnType<Sessions['find']>>
    try {
      found = await this.#parts.sessions.find(hash)
    } catch (error) {
      // Whatever is wrong with the database: nobody is let in because of it (ASVS 16.5.3).
      const { clock, onEvent, refusals } = this.#parts
      onEvent({ type: 'sys_store_unavailable', time: clock(), address: peer?.address, error })
      return refusals.of('store-unavailable', { retryAfterSeconds: 1 })
    }
    if (typeof found === 'string') return this.#refuse('credentials-invalid', found, peer)
    return this.#named(found, cookie) ? found : this.#misnamed(peer)
  }

  #presented(header: string, peer: AuthPeer | undefined): PresentedCookie {
    const name = this.#parts.lessonCookies ? LESSON_COOKIES.token : this.cookieName(peer)
    return this.#cookies.read(header, name, peer)
  }

  /** What is wrong with a request whatever the session is: the refusal and its true reason. */
  #precheck(
    request: Request,
    peer: AuthPeer | undefined,
    token: string | typeof DUPLICATE | undefined,
    authorization: string | null,
  ): readonly [RefusalCode, string] | undefined {
    if (!this.isPrivate(peer)) return ['tls-required', 'plain-http']
    if (authorization !== null) {
      if (token !== undefined) return ['two-credentials', 'cookie-and-authorization']
      return ['credentials-invalid', 'authorization-unsupported']
    }
    if (token === DUPLICATE) return ['credentials-invalid', 'duplicate-cookie']
    if (isUnsafe(request.method) && isCrossSite(request.headers, this.origin(request, peer))) {
      return ['cross-site-request', 'cross-site-request']
    }
    return undefined
  }

  /** In the lesson a second cookie says whose token it is, and has to be right. */
  #named(session: LiveSession, cookie: string | null): boolean {
    if (!this.#parts.lessonCookies) return true
    return readLessonCookies(cookie ?? '').username === session.context.principal.name
  }

  #misnamed(peer: AuthPeer | undefined): Refusal {
    return this.#refuse('credentials-invalid', 'username-cookie', peer)
  }

  #refuse(code: RefusalCode, reason: string, peer: AuthPeer | undefined): Refusal {
    const { clock, onEvent, refusals } = this.#parts
    const type = code === 'credentials-invalid' ? 'authn_token_invalid' : 'authz_fail'
    onEvent({ type, time: clock(), reason, address: peer?.address })
    return refusals.of(code)
  }
}
