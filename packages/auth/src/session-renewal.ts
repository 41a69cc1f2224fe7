/**
 * A session's token exchanged for a new one: every hour, after a step-up, after a change of roles.
 *
 * The hourly successor is derived from the token with a key that the database does not hold. So however many requests a page
 * sends at once, and whichever of their answers arrive, all of them are told the same new token, and nothing is stored for it.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Kysely, Store } from '@countersign/store'
import type { AssuranceLevel } from './context.ts'
import type { OnAuthEvent } from './events.ts'
import type { Revocations } from './revocations.ts'
import type { AuthTables } from './schema.ts'
import type { SecretBox } from './secret-box.ts'
import type { LiveSession } from './session-types.ts'
import { digest, newToken } from './token.ts'

/** What {@link SessionRenewal} is made of. */
export interface SessionRenewalParts {
  store: Store
  clock: Clock
  onEvent: OnAuthEvent
  secrets: SecretBox
  revocations: Revocations
}

/** Exchanges tokens. */
export class SessionRenewal {
  readonly #parts: SessionRenewalParts
  readonly #db: Kysely<AuthTables>

  constructor(parts: SessionRenewalParts) {
    this.#parts = parts
    this.#db = parts.store.database<AuthTables>()
  }

  /** Whether a session wants a new token at `now`, or has one that this request does not know of. */
  isDue(session: LiveSession, now: number): boolean {
    return session.superseded || now >= session.renewAt
  }

  /**
   * The token that follows `token`, made current where it is not yet.
   *
   * @returns `undefined` where the session goes on under a token that cannot be derived from this one
   */
  async renew(session: LiveSession, token: string): Promise<string | undefined> {
    const { clock, onEvent, secrets } = this.#parts
    const successor = secrets.mac('session', token)
    if (successor === undefined) return undefined
    const hash = digest(successor)
    if (session.superseded) return session.hash === hash ? successor : undefined
    const renewed = await this.#db
      .updateTable('auth_session')
      .set({ hash, prev_hash: session.hash, prev_until: null, renewed: clock().getTime() })
      .where('hash', '=', session.hash)
      .returning('sid')
      .execute()
    if (renewed.length > 0) {
      const { principal } = session.context
      onEvent({
        type: 'session_renewed',
        time: clock(),
        name: principal.name,
        principalId: principal.id,
        sid: session.sid,
      })
    }
    return successor
  }

  /**
   * A new token after its holder has proved once more who they are; the old one ends at once.
   *
   * @returns `undefined` where the session has ended meanwhile
   */
  async stepUp(
    session: LiveSession,
    proof: { amr: readonly string[]; aal: AssuranceLevel },
  ): Promise<string | undefined> {
    const { clock, revocations } = this.#parts
    const token = newToken()
    const now = clock().getTime()
    const { amr: before, aal } = session.context
    // A weaker proof than the last says nothing of the stronger one.
    const kept = proof.aal < aal ? [] : before
    const amr = [...new Set([...kept, ...proof.amr])].join(' ')
    const done = await this.#db
      .updateTable('auth_session')
      .set({ hash: digest(token), prev_hash: null, prev_until: null, renewed: now })
      .set({ auth_time: now, amr, aal: proof.aal })
      .where('sid', '=', session.sid)
      .where('hash', '=', session.hash)
      .returning('sid')
      .execute()
    await revocations.publish([{ sid: session.sid }])
    return done.length > 0 ? token : undefined
  }
}
