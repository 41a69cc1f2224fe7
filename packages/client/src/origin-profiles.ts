/**
 * What a session says about single origins: whom to trust there, and who we are there.
 *
 * @module
 */
import { OptionError } from './errors.ts'
import { check } from './option-checks.ts'
import { moreSpecificFirst, type OriginPattern, originPattern } from './origin-pattern.ts'
import { NO_PLAN, overlay, type TrustOptions, type TrustPlan, trustPlan } from './trust-plan.ts'

/** What holds for the origins that a pattern matches, as far as neither the call nor the session says anything else. */
export interface OriginProfile extends TrustOptions {}

/** Profiles by pattern: `{ 'https://*.corp.internal': { ca, cert, key } }`; see `origin-pattern.ts` for the syntax. */
export type OriginProfiles = Readonly<Record<string, OriginProfile>>

/** The profiles of a session. */
export class ProfileList {
  readonly #profiles: readonly Profile[]
  readonly #byOrigin = new Map<string, Profile>()

  /**
   * @param session - what the session says; it stands over every profile
   * @throws {@link OptionError} `option-invalid` for a pattern or a profile that is none, `option-unknown`, `option-conflict`
   */
  constructor(profiles: OriginProfiles, session: TrustPlan) {
    const entries = Object.entries(profiles)
    if (entries.length > MOST_PROFILES) {
      throw new OptionError('option-invalid', `origins holds more than ${MOST_PROFILES} profiles`)
    }
    this.#profiles = entries
      .map(([text, options]): { pattern: OriginPattern; plan: TrustPlan } => {
        const pattern = originPattern(text)
        const plan = profilePlan(pattern, options)
        // What cannot go together is said now, not with the first call.
        overlay(session, plan)
        return { pattern, plan }
      })
      .toSorted((one, other) => moreSpecificFirst(one.pattern, other.pattern))
  }

  /** Every plan, for whoever wants to read their files. */
  get plans(): readonly TrustPlan[] {
    return this.#profiles.map(({ plan }) => plan)
  }

  /** The plan of the most specific profile, or one that says nothing. */
  planFor(origin: string): TrustPlan {
    return this.#profiles.length === 0 ? NO_PLAN : this.#find(origin).plan
  }

  /** The pattern whose profile {@link planFor} gives. */
  patternFor(origin: string): string | undefined {
    return this.#find(origin).pattern?.text
  }

  #find(origin: string): Profile {
    const known = this.#byOrigin.get(origin)
    if (known !== undefined) return known
    const found = this.#profiles.find(({ pattern }) => pattern?.matches(origin)) ?? NO_PROFILE
    // A crawl sees many origins.
    if (this.#byOrigin.size >= MOST_ORIGINS) this.#byOrigin.clear()
    this.#byOrigin.set(origin, found)
    return found
  }
}

interface Profile {
  /** Absent where no pattern matches. */
  readonly pattern: OriginPattern | undefined
  readonly plan: TrustPlan
}

function profilePlan(pattern: OriginPattern, options: unknown): TrustPlan {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OptionError('option-invalid', `origins: the profile of ${pattern.text} is no object`)
  }
  check(options, PROFILE_OPTIONS, `origins: ${pattern.text}`)
  const plan = trustPlan(options)
  if (plan.verified === false && !pattern.isExact) {
    throw new OptionError(
      'option-conflict',
      `origins: verify: false is for one origin, and ${pattern.text} matches several`,
      { hint: "pin what is there instead: pin: 'sha256:…'" },
    )
  }
  return plan
}

const PROFILE_OPTIONS = Object.keys({
  verify: true,
  ca: true,
  extraCa: true,
  cert: true,
  key: true,
  passphrase: true,
  pin: true,
  crl: true,
  revocation: true,
} as const satisfies Record<keyof OriginProfile, true>)

const NO_PROFILE: Profile = { pattern: undefined, plan: NO_PLAN }
const MOST_PROFILES = 1000
const MOST_ORIGINS = 4096
