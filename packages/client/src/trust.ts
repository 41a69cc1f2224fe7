/**
 * The trust of a session: what the call, the session, the origin's profile and the environment say, in this order, turned
 * into the security of one connection, and kept up to date.
 *
 * @module
 */
import path from 'node:path'
import { errorMessage } from '@countersign/core'
import { type TrustDescription, TrustStore } from '@countersign/tls'
import { type OriginProfiles, ProfileList } from './origin-profiles.ts'
import { forgetStamps, stampOfFiles } from './trust-files.ts'
import { isSame, type NamedSecurity, securityOf, withoutIdentity } from './trust-context.ts'
import { planFiles, planKey } from './trust-key.ts'
import { isPinnedAlone, NO_PLAN, overlay, type TrustPlan } from './trust-plan.ts'

export type { NamedSecurity } from './trust-context.ts'

/** What a session brings with it beside its own words. */
export interface SessionTrustOptions {
  readonly profiles: OriginProfiles
  /** Told the {@link NamedSecurity.id} that no new request may use any more. */
  readonly onReplaced: (id: string) => void
  /** Told what could not be read again, and is used as it was. */
  readonly onWarning: (warning: TrustWarning) => void
}

/** A source of trust or identity that changed and cannot be used: what it held before still holds. */
interface TrustWarning {
  readonly message: string
  readonly cause: unknown
}

/** What is kept for a plan under one environment. */
interface Kept {
  readonly plan: TrustPlan
  /** The part of the environment that matters to it. */
  readonly environment: string
  readonly key: string
  readonly files: readonly string[]
  stamp: string
  security: NamedSecurity
  /** What was said of files that cannot be used; said once. */
  warned: string | undefined
}

/** See above. */
export class SessionTrust {
  readonly #plan: TrustPlan
  readonly #readEnvironment: boolean
  readonly #options: SessionTrustOptions
  readonly #profiles: ProfileList
  readonly #merged = new WeakMap<TrustPlan, WeakMap<TrustPlan, TrustPlan>>()
  readonly #byPlan = new WeakMap<TrustPlan, Kept>()
  readonly #byKey = new Map<string, Kept>()

  /** @throws {@link OptionError} for a profile that is none, or that cannot stand beside the session's own words */
  constructor(plan: TrustPlan, readEnvironment: boolean, options: SessionTrustOptions = ALONE) {
    this.#plan = plan
    this.#readEnvironment = readEnvironment
    this.#options = options
    this.#profiles = new ProfileList(options.profiles, plan)
  }

  /**
   * Reads every named source once, so that a mistake is said at construction.
   *
   * @throws {@link OptionError} with the code of the layer below: `ca-missing`, `key-mismatch`
   */
  readNamed(): void {
    for (const plan of this.#named()) this.#resolve(plan)
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
    return this.#resolve(this.#planFor(call, origin, home, away))
  }

  /** The store that servers are verified against where neither a call nor a profile says anything. */
  get store(): TrustStore {
    const plan = this.#plan
    return isPinnedAlone(plan) ? TrustStore.empty() : this.#resolve(plan).context.trust
  }

  /** Whom a call to an origin believes, and which level said so. */
  describe(origin: string, home: boolean): TrustDescription {
    const plan = this.#planFor(NO_PLAN, origin, home, false)
    const store = isPinnedAlone(plan) ? TrustStore.empty() : this.#resolve(plan).context.trust
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
    forgetStamps()
    const failures: unknown[] = []
    // Those of calls too: whoever reloads means everything.
    for (const kept of new Set([
      ...this.#named().map((plan) => this.#kept(plan)),
      ...this.#byKey.values(),
    ])) {
      try {
        this.#refresh(kept, stampOfFiles(kept.files), true)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
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

  #resolve(plan: TrustPlan): NamedSecurity {
    const kept = this.#kept(plan)
    const stamp = stampOfFiles(kept.files)
    if (stamp === kept.stamp) return kept.security
    this.#refresh(kept, stamp, false)
    return kept.security
  }

  #kept(plan: TrustPlan): Kept {
    const environment = this.#environmentOf(plan)
    const known = this.#byPlan.get(plan)
    if (known !== undefined && known.environment === environment) return known
    const key = `${plan.context === undefined ? planKey(plan) : contextKey(plan)}\n${environment}`
    const kept = this.#byKey.get(key) ?? this.#first(plan, environment, key)
    this.#byPlan.set(plan, kept)
    // Last used last: the first of a Map is the one to drop.
    this.#byKey.delete(key)
    this.#byKey.set(key, kept)
    const [oldest] = this.#byKey.keys()
    if (this.#byKey.size > MOST_KEPT && oldest !== undefined) this.#byKey.delete(oldest)
    return kept
  }

  #first(plan: TrustPlan, environment: string, key: string): Kept {
    const files = [...planFiles(plan), ...environmentFiles(environment)]
    const stamp = stampOfFiles(files)
    const security = securityOf(plan, this.#readEnvironment, `${key}\n${stamp}`)
    return { plan, environment, key, files, stamp, security, warned: undefined }
  }

  /** @param asked - by name: then every file is read, and what is wrong is thrown */
  #refresh(kept: Kept, stamp: string, asked: boolean): void {
    let next: NamedSecurity
    try {
      const key = asked ? undefined : `${kept.key}\n${stamp}`
      next = securityOf(kept.plan, this.#readEnvironment, key)
    } catch (error) {
      // Not before it changes again.
      kept.stamp = stamp
      if (asked) throw error
      const message = `${errorMessage(error)}; what was read before is still used`
      if (message === kept.warned) return
      kept.warned = message
      this.#options.onWarning({ message, cause: error })
      return
    }
    kept.warned = undefined
    const before = kept.security
    kept.stamp = stamp
    // Lists that were fetched may be others by now.
    if (isSame(before, next) && !(asked && before.revocation !== undefined)) return
    kept.security = next
    this.#options.onReplaced(before.id)
  }

  /** What the environment says, as far as it matters to this plan. */
  #environmentOf(plan: TrustPlan): string {
    const matters =
      this.#readEnvironment &&
      plan.verified !== false &&
      plan.context === undefined &&
      plan.only === undefined &&
      !isPinnedAlone(plan)
    return matters ? VARIABLES.map((name) => process.env[name] ?? '').join('\n') : ''
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
    }
    stripped.set(plan, without)
  }
  return without
}

/** A context has its own name already; what stands beside it counts as well. */
function contextKey(plan: TrustPlan): string {
  const { context } = plan
  if (context === undefined) return ''
  let number = numbers.get(context)
  if (number === undefined) {
    number = ++lastNumber
    numbers.set(context, number)
  }
  return `context ${number} ${planKey(plan)}`
}

function environmentFiles(environment: string): string[] {
  return environment
    .split('\n')
    .flatMap((value) => value.split(path.delimiter))
    .filter((file) => file !== '')
}

const stripped = new WeakMap<TrustPlan, TrustPlan>()
const numbers = new WeakMap<object, number>()
let lastNumber = 0

const ALONE: SessionTrustOptions = {
  profiles: {},
  onReplaced: () => {},
  onWarning: ({ message }) => process.emitWarning(message, { type: 'CountersignTrust' }),
}

const MOST_KEPT = 64

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

/** The variables that can name certificates; NODE_EXTRA_CA_CERTS only adds. */
const VARIABLES = [
  'COUNTERSIGN_CA',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
]
