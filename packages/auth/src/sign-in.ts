/**
 * A name and a password in, a session out: throttled, at constant cost, with the true reason for the audit only.
 *
 * @module
 */
import { randomInt } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '@countersign/core'
import { AuthError } from './errors.ts'
import type { Devices } from './devices.ts'
import type { AuthEventType, OnAuthEvent } from './events.ts'
import { normalizeName } from './names.ts'
import type { PasswordHasher } from './password-hasher.ts'
import type { Sessions } from './sessions.ts'
import type { NewSession, SessionOrigin, SessionProof } from './session-types.ts'
import type { Admission, Attempt, Counted, Quota, Throttle } from './throttle.ts'
import { Turns } from './turns.ts'
import type { UserRecord } from './user-record.ts'
import type { Users } from './users.ts'

/** Why somebody was not signed in. */
export type SignInFailure =
  | {
      reason: 'user-unknown' | 'password-wrong' | 'password-unset' | 'user-disabled'
      quota: Quota
    }
  | { reason: 'code-wrong'; quota: Quota }
  | { reason: 'overloaded' }
  | { reason: 'throttled'; retryAfterSeconds: number; quota: Quota }

/** What came of it. */
export type SignInOutcome =
  | { ok: true; begun: NewSession }
  /** The password was right, and a second factor has to follow. */
  | { ok: true; begun?: undefined; proved: PasswordProved }
  | ({ ok: false } & SignInFailure)

/** A password that was right, of somebody who has a second factor. */
export interface PasswordProved {
  readonly user: { readonly id: string; readonly epoch: number }
  readonly remember: boolean
  /** What can follow: `totp`, `recovery`, `webauthn`. */
  readonly methods: readonly string[]
}

/** What {@link SignIn} is made of. */
export interface SignInParts {
  clock: Clock
  onEvent: OnAuthEvent
  hasher: PasswordHasher
  throttle: Throttle
  devices: Devices
  users: Users
  sessions: Sessions
  /** What a principal has beside a password; nothing where that is enough. */
  secondFactors: { of(principalId: string): Promise<readonly string[]> }
}

/** The one way by which a password becomes a session. */
export class SignIn {
  readonly #parts: SignInParts
  readonly #turns = new Turns()
  /** Attempts that are being counted. */
  #counting = 0

  constructor(parts: SignInParts) {
    this.#parts = parts
  }

  /** Tries a name and a password. A new token every time; whatever the request brought along is not looked at. */
  async attempt(
    name: string,
    password: string,
    origin: SessionOrigin,
    proof?: SessionProof,
  ): Promise<SignInOutcome> {
    const { devices, users, sessions } = this.#parts
    const checked = await this.#check(
      {
        subject: loginSubject(name),
        address: origin.address,
        device: devices.keyOf(name, origin.device),
        locks: true,
      },
      () => users.record(name),
      password,
      'authn_login_fail',
    )
    if (!checked.ok) return checked
    const { user } = checked
    const methods = await this.#parts.secondFactors.of(user.id)
    if (methods.length > 0) {
      return { ok: true, proved: { user, remember: proof?.remember ?? false, methods } }
    }
    const begun = await sessions.begin(user, origin, proof)
    this.#tell('authn_login_success', undefined, user, origin.address)
    return { ok: true, begun }
  }

  /** Checks the password of somebody who is signed in already, counted like a sign-in. */
  confirm(
    principalId: string,
    password: string,
    origin: SessionOrigin,
    failed: ConfirmFailure = 'authn_password_change_fail',
  ): Promise<{ ok: true; user: UserRecord } | ({ ok: false } & SignInFailure)> {
    const { users } = this.#parts
    return this.#check(
      { subject: `confirm:${principalId}`, address: origin.address },
      () => users.recordById(principalId),
      password,
      failed,
    )
  }

  async #check(
    attempt: Attempt,
    find: () => Promise<UserRecord | undefined>,
    password: string,
    failed: 'authn_login_fail' | ConfirmFailure,
  ): Promise<{ ok: true; user: UserRecord } | ({ ok: false } & SignInFailure)> {
    const { throttle, users } = this.#parts
    const { address } = attempt
    const started = performance.now()
    const admission = await this.#count(attempt)
    if (admission === 'overloaded') {
      this.#tell(failed, 'overloaded', undefined, address)
      await aMoment()
      return { ok: false, reason: 'overloaded' }
    }
    const { quota } = admission
    if (!admission.admitted) {
      const reason = admission.locked ? 'locked' : 'throttled'
      this.#tell('authn_login_lock', reason, undefined, address)
      await aMoment()
      return {
        ok: false,
        reason: 'throttled',
        retryAfterSeconds: admission.retryAfterSeconds,
        quota,
      }
    }
    await this.#turns.take()
    const user = await find()
    const phc = user?.status === 'active' ? user.phc : undefined
    const check = await this.#hash(password, phc, admission.counted)
    if (check === 'overloaded') {
      this.#tell(failed, 'overloaded', user, address)
      await aMoment()
      return { ok: false, reason: 'overloaded' }
    }
    if (user !== undefined && phc !== undefined && check.matches) {
      if (check.renewed !== undefined) await users.renewHash(user.id, phc, check.renewed)
      await throttle.succeed(admission.counted)
      return { ok: true, user }
    }
    const reason = failureOf(user, phc)
    this.#tell(failed, reason, user, address)
    await untilNextTick(started)
    await this.#turns.take()
    return { ok: false, reason, quota }
  }

  /** Refuses before anything is written where there is no room, so that a flood costs the database nothing. */
  async #count(attempt: Attempt): Promise<Admission | 'overloaded'> {
    const { hasher, throttle } = this.#parts
    if (hasher.isFull || this.#counting >= MOST_COUNTED) return 'overloaded'
    this.#counting += 1
    try {
      await this.#turns.take()
      return await throttle.consume(attempt)
    } finally {
      this.#counting -= 1
    }
  }

  async #hash(
    password: string,
    phc: string | undefined,
    counted: Counted,
  ): Promise<'overloaded' | { matches: boolean; renewed?: string | undefined }> {
    const { hasher, throttle } = this.#parts
    try {
      return await hasher.check(password, phc)
    } catch (error) {
      // No guess was made, so none is counted.
      await throttle.refund(counted)
      if (error instanceof AuthError && error.code === 'hashing-overloaded') return 'overloaded'
      throw error
    }
  }

  #tell(
    type: AuthEventType,
    reason: string | undefined,
    user: UserRecord | undefined,
    address: string | undefined,
  ): void {
    this.#parts.onEvent({
      type,
      time: this.#parts.clock(),
      reason,
      name: user?.name,
      principalId: user?.id,
      address,
    })
  }
}

/** What sign-ins of a name are counted under. */
export function loginSubject(name: string): string {
  return `login:${normalizeName(name)}`
}

/** What a wrong password of somebody who is signed in is called. */
export type ConfirmFailure = 'authn_password_change_fail' | 'authn_step_up_fail'

function failureOf(
  user: UserRecord | undefined,
  phc: string | undefined,
): 'user-unknown' | 'password-wrong' | 'password-unset' | 'user-disabled' {
  if (user === undefined) return 'user-unknown'
  if (user.status !== 'active') return 'user-disabled'
  return phc === undefined ? 'password-unset' : 'password-wrong'
}

/**
 * Waits for the next multiple of 50 ms since the start, so that a failure does not show how it came about: hashes of an older,
 * cheaper or dearer policy would otherwise tell which users exist. And for up to 50 ms more, by chance: those who began together
 * would be answered together, guess again together, and whoever else asks would stand behind all of them.
 */
async function untilNextTick(started: number): Promise<void> {
  const passed = performance.now() - started
  await wait(Math.ceil(passed / TICK_MS) * TICK_MS - passed + randomInt(TICK_MS))
}

/**
 * Holds an answer back for which nothing was computed. Whoever guesses again as soon as they are answered gets some answers a second
 * instead of thousands, which everybody else would stand behind; not the same moment for all, or they would come back together.
 */
async function aMoment(): Promise<void> {
  await wait(REFUSED_MS + randomInt(REFUSED_MS))
}

/** Attempts that are counted at once: all who come at the same moment find the gate empty, and those behind these would be refused by it. */
const MOST_COUNTED = 256
const TICK_MS = 50
const REFUSED_MS = 100
