/**
 * Sessions seen within the last two seconds, so that a burst of requests asks the database once.
 *
 * @module
 */
import type { LiveSession } from './session-types.ts'

interface Entry {
  readonly session: LiveSession
  readonly from: number
  readonly until: number
}

/** Keyed by the whole hash of the token: part of a key is how CVE-2026-35030 handed out another's session. */
export class SessionCache {
  // Two halves: the older one is thrown away whole. Taking the oldest entry out of one map costs a walk over those taken out before.
  #young = new Map<string, Entry>()
  #old = new Map<string, Entry>()
  #generation = 0

  /** The session of this hash, where it was put there within two seconds before `now` and has not ended since. */
  get(hash: string, now: number): LiveSession | undefined {
    const entry = this.#young.get(hash) ?? this.#old.get(hash)
    // A clock that was set back must not keep an entry alive.
    if (entry === undefined || now >= entry.until || now < entry.from) return undefined
    return entry.session
  }

  /** Changes with every end of a session; taken before a row is read, it tells whether the row may still be kept. */
  get generation(): number {
    return this.#generation
  }

  /** Keeps a session that was read at `now`, unless any session has ended since `generation`. */
  put(session: LiveSession, now: number, generation: number): void {
    if (generation !== this.#generation) return
    if (this.#young.size >= HALF) {
      this.#old = this.#young
      this.#young = new Map()
    }
    const until = Math.min(now + LIFE_MS, session.idleExpires, session.expires)
    this.#young.set(session.hash, { session, from: now, until })
  }

  /** Drops whatever `ended` names. */
  drop(ended: (session: LiveSession) => boolean): void {
    this.#generation += 1
    for (const half of [this.#young, this.#old]) {
      for (const [hash, { session }] of half) if (ended(session)) half.delete(hash)
    }
  }
}

const LIFE_MS = 2000
const HALF = 5000
