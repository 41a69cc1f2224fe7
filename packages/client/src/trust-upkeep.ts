/**
 * What plans mean now: each is read once, looked at with every call, and read again when its files are others. Where they cannot be
 * used, what was read before still holds.
 *
 * @module
 */
import path from 'node:path'
import { errorMessage } from '@countersign/core'
import type { TlsContext, TrustStore } from '@countersign/tls'
import { isSame, type NamedSecurity, securityOf } from './trust-context.ts'
import { forgetStamps, stampOfFiles } from './trust-files.ts'
import { planFiles, planKey } from './trust-key.ts'
import { isPinnedAlone, type TrustPlan, withCurrent } from './trust-plan.ts'

/** Who is told of changes. */
export interface UpkeepListener {
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

/** The plans of one session. */
export class TrustUpkeep {
  readonly #readEnvironment: boolean
  readonly #listener: UpkeepListener
  readonly #byPlan = new WeakMap<TrustPlan, Kept>()
  readonly #byKey = new Map<string, Kept>()
  readonly #followed = new WeakMap<
    TrustPlan,
    { readonly value: TrustStore | TlsContext; readonly plan: TrustPlan }
  >()

  constructor(readEnvironment: boolean, listener: UpkeepListener) {
    this.#readEnvironment = readEnvironment
    this.#listener = listener
  }

  /**
   * What a plan means now.
   *
   * @throws {@link OptionError} the first time, where a source cannot be used
   */
  current(plan: TrustPlan): NamedSecurity {
    if (plan.live !== undefined) return this.#following(plan, plan.live())
    const kept = this.#kept(plan)
    const stamp = stampOfFiles(kept.files)
    if (stamp === kept.stamp) return kept.security
    this.#refresh(kept, stamp, false)
    return kept.security
  }

  /**
   * Reads every file of these plans again, and of those that calls brought: whoever reloads means everything.
   *
   * @throws {@link OptionError} for the first source that cannot be used; what it held before still holds
   */
  reload(plans: readonly TrustPlan[]): void {
    forgetStamps()
    const failures: unknown[] = []
    for (const plan of plans) {
      if (plan.live === undefined) this.#kept(plan)
      else this.current(plan)
    }
    const all = [...this.#byKey.values()]
    for (const kept of all) {
      // Another environment's: what it means is not to be read from this one.
      if (kept.environment !== this.#environmentOf(kept.plan)) continue
      try {
        this.#refresh(kept, stampOfFiles(kept.files), true)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  /** What a plan means whose store or context somebody else keeps up to date. */
  #following(plan: TrustPlan, value: TrustStore | TlsContext): NamedSecurity {
    const known = this.#followed.get(plan)
    if (known !== undefined && known.value === value) return this.current(known.plan)
    const next = withCurrent(plan, value)
    const security = this.current(next)
    this.#followed.set(plan, { value, plan: next })
    const before = known === undefined ? undefined : this.current(known.plan).id
    if (before !== undefined && before !== security.id) this.#listener.onReplaced(before)
    return security
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
      this.#listener.onWarning({ message, cause: error })
      return
    }
    kept.warned = undefined
    const before = kept.security
    kept.stamp = stamp
    // Lists that were fetched may be others by now.
    if (isSame(before, next) && !(asked && before.revocation !== undefined)) return
    kept.security = next
    this.#listener.onReplaced(before.id)
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

const numbers = new WeakMap<object, number>()
let lastNumber = 0

const MOST_KEPT = 64

/** The variables that can name certificates; NODE_EXTRA_CA_CERTS only adds. */
const VARIABLES = [
  'COUNTERSIGN_CA',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
]
