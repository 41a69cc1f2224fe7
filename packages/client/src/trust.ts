/**
 * The trust of a session: what the call, the session, the origin's profile and the environment say, in this order, turned
 * into the security of one connection, and kept up to date.
 *
 * @module
 */
import { TlsContext, type TrustDescription, TrustStore } from '@countersign/tls'
import { type OriginProfiles, ProfileList } from './origin-profiles.ts'
import { type NamedSecurity, withoutIdentity } from './trust-context.ts'
import { isPinnedAlone, NO_PLAN, overlay, type TrustPlan } from './trust-plan.ts'
import { TrustUpkeep, type UpkeepListener } from './trust-upkeep.ts'

export type { NamedSecurity } from './trust-context.ts'

/** What a session brings with it beside its own words. */
export interface SessionTrustOptions extends UpkeepListener {
  readonly profiles: OriginProfiles
}

/** See above. */
export class SessionTrust {
  readonly #plan: TrustPlan
  readonly #profiles: ProfileList
  readonly #merged = new WeakMap<TrustPlan, WeakMap<TrustPlan, TrustPlan>>()
  readonly #upkeep: TrustUpkeep

  /** @throws {@link OptionError} for a profile that is none, or that cannot stand beside the session's own words */
  constructor(plan: TrustPlan, readEnvironment: boolean, options: SessionTrustOptions = ALONE) {
    this.#plan = plan
    this.#upkeep = new TrustUpkeep(readEnvironment, options)
    this.#profiles = new ProfileList(options.profiles, plan)
  }

  /**
   * Reads every named source once, so that a mistake is said at construction.
   *
   * @throws {@link OptionError} with the code of the layer below: `ca-missing`, `key-mismatch`
   */
  readNamed(): void {
    for (const plan of this.#named()) this.#upkeep.current(plan)
  }

  /**
   * The security of a connection.
   *
   * @param call - what the call says
   * @param home - whether the connection is to an origin that the session's identity and `verify: false` are meant for
   * @param away - whether it is to an origin the call was redirected to; then its own are not meant for it either
   * @throws {@link OptionError} with the code of the layer below: `ca-missing`, `key-mismatch`
   */
  security(call: TrustPlan, origin: string, home: boolean, away: boolean): NamedSecurity {
    return this.#upkeep.current(this.#planFor(call, origin, home, away))
  }

  /** The store that servers are verified against where neither a call nor a profile says anything. */
  get store(): TrustStore {
    const plan = this.#plan
    return isPinnedAlone(plan) ? TrustStore.empty() : this.#upkeep.current(plan).context.trust
  }

  /** Whom a call to an origin believes, and which level said so. */
  describe(origin: string, home: boolean): TrustDescription {
    const plan = this.#planFor(NO_PLAN, origin, home, false)
    const store = isPinnedAlone(plan)
      ? TrustStore.empty()
      : this.#upkeep.current(plan).context.trust
    const description = store.describe()
    const levels = [
      { name: 'the session', plan: home ? this.#plan : abroad(this.#plan) },
      {
        name: `the profile ${this.#profiles.patternFor(origin) ?? ''}`,
        plan: this.#profiles.planFor(origin),
      },
    ]
    const said = WORDS.flatMap(([word, says]) => {
      const [winner, beaten] = levels.filter((level) => says(level.plan))
      if (winner === undefined) return []
      return [`${word}: ${winner.name}${beaten === undefined ? '' : ` beat ${beaten.name}`}`]
    })
    return { ...description, trace: [...said, ...description.trace] }
  }

  /**
   * Reads every file again, also one that looks as it did.
   *
   * @throws {@link OptionError} for the first source that cannot be used; what it held before still holds
   */
  reload(): void {
    this.#upkeep.reload(this.#named())
  }

  #planFor(call: TrustPlan, origin: string, home: boolean, away: boolean): TrustPlan {
    const session = this.#plan
    const mine = this.#over(
      home && !away ? session : abroad(session),
      this.#profiles.planFor(origin),
    )
    return call === NO_PLAN ? mine : overlay(away ? abroad(call) : call, mine)
  }

  /** The session's plan over a profile's; one object for each pair, so that it is found again. */
  #over(session: TrustPlan, profile: TrustPlan): TrustPlan {
    if (profile === NO_PLAN) return session
    let bySession = this.#merged.get(profile)
    if (bySession === undefined) {
      bySession = new WeakMap()
      this.#merged.set(profile, bySession)
    }
    let merged = bySession.get(session)
    if (merged === undefined) {
      merged = overlay(session, profile)
      bySession.set(session, merged)
    }
    return merged
  }

  /** What the session and its profiles name; the default trust is not read before it is needed. */
  #named(): TrustPlan[] {
    const plan = this.#plan
    const profiles = this.#profiles.plans.map((profile) => this.#over(plan, profile))
    return [plan, ...profiles].filter(
      ({ only, extra, identity, revocation }) =>
        only !== undefined ||
        extra.length > 0 ||
        identity !== undefined ||
        revocation !== undefined,
    )
  }
}

/** A plan for an origin that is not to see who we are, and that nobody excused from being verified. */
function abroad(plan: TrustPlan): TrustPlan {
  if (plan.verified !== false && plan.identity === undefined && plan.context === undefined) {
    return plan
  }
  let without = stripped.get(plan)
  if (without === undefined) {
    without = {
      ...plan,
      verified: plan.verified === false ? undefined : plan.verified,
      identity: undefined,
      context: plan.context === undefined ? undefined : withoutIdentity(plan.context),
      live: plan.live && anonymous(plan.live),
    }
    stripped.set(plan, without)
  }
  return without
}

function anonymous(live: () => TrustStore | TlsContext): () => TrustStore | TlsContext {
  return () => {
    const current = live()
    return current instanceof TlsContext ? withoutIdentity(current) : current
  }
}

const stripped = new WeakMap<TrustPlan, TrustPlan>()

const ALONE: SessionTrustOptions = {
  profiles: {},
  onReplaced: () => {},
  onWarning: ({ message }) => process.emitWarning(message, { type: 'CountersignTrust' }),
}

/** What a level can say, for the trace. */
const WORDS: readonly (readonly [string, (plan: TrustPlan) => boolean])[] = [
  ['verify: false', ({ verified }) => verified === false],
  ['a TLS context', ({ context }) => context !== undefined],
  ['only these authorities', ({ only }) => only !== undefined],
  ['these authorities as well', ({ extra }) => extra.length > 0],
  ['pin', ({ pins }) => pins !== undefined],
  ['certificate of ours', ({ identity }) => identity !== undefined],
  ['revocation', ({ revocation }) => revocation !== undefined],
]
