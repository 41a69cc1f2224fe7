/**
 * What may be asked for: which names, for how long. Pure functions; nothing here signs or stores.
 *
 * An operator at the command line may certify every valid name by default: whoever holds the authority's keys could
 * anyway. What the root is constrained to holds always and is checked apart, in `constraints.ts`.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { GeneralName } from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import {
  describeNameSpace,
  type NameSpace,
  nameSpaceContains,
  parseNameSpace,
} from './name-space.ts'
import { PROFILES, type ProfileName } from './profiles.ts'
import {
  DEFAULT_RULES,
  type ParsedRule,
  parseRules,
  type RequesterRule,
} from './requester-rules.ts'
import { nameText } from './subject.ts'

/** What the authority issues. */
export interface PolicyOptions {
  /**
   * The names that may be certified: `.corp.internal`, `10.0.0.0/8`, `@corp.internal`, `spiffe://corp.internal`; a kind
   * that is not listed is refused, and so is a plain client NAME unless the trust domain is listed.
   * @defaultValue every valid name
   */
  allow?: readonly string[] | undefined
  /** Whether `*.corp.internal` may be certified. @defaultValue true */
  wildcards?: boolean | undefined
  /** The longest lifetime that may be asked for, in days. @defaultValue 90 */
  maxDays?: number | undefined
  /** How many names one certificate may carry. @defaultValue 100 */
  maxNames?: number | undefined
  /**
   * Who but the operator and administrators may ask for what; an empty list is nobody.
   * @defaultValue what ACME accounts, enrolment tokens and certificates prove, and host names for the role `issuer`
   */
  rules?: readonly RequesterRule[] | undefined
}

/** A policy as it is applied. */
export interface Policy {
  readonly allow: NameSpace | undefined
  readonly wildcards: boolean
  readonly maxDays: number
  readonly maxNames: number
  readonly rules: readonly ParsedRule[]
}

/**
 * Reads the options once.
 *
 * @throws {@link AuthorityError} `option-invalid`; CoreError `option-unknown`
 */
export function parsePolicy(options: PolicyOptions = {}): Policy {
  checkOptions(options, ['allow', 'wildcards', 'maxDays', 'maxNames', 'rules'], 'policy')
  const { allow, wildcards = true, maxDays = 90, maxNames = 100, rules = DEFAULT_RULES } = options
  if (!(maxDays > 0 && maxDays <= 3650))
    throw invalid('policy.maxDays must be above 0, at most 3650')
  if (!(Number.isInteger(maxNames) && maxNames > 0 && maxNames <= 1000)) {
    throw invalid('policy.maxNames must be a whole number from 1 to 1000')
  }
  return {
    allow:
      allow === undefined ? undefined : parseNameSpace(allow, 'policy.allow', 'option-invalid'),
    wildcards,
    maxDays,
    maxNames,
    rules: parseRules(rules),
  }
}

/**
 * Refuses names that the policy does not allow, and wildcards that stand for more than anybody owns.
 *
 * @throws {@link AuthorityError} `wildcard-too-wide`, `name-refused`
 */
export function checkNames(policy: Policy, names: readonly GeneralName[]): void {
  for (const name of names) {
    const text = nameText(name)
    if (name.type === 'dns' && text.includes('*')) checkWildcard(policy, text)
    if (policy.allow !== undefined && !nameSpaceContains(policy.allow, name)) {
      throw new AuthorityError(
        'name-refused',
        `"${text}" is not among the names this authority certifies: ${describeNameSpace(policy.allow)}`,
        {
          refusedName: text,
        },
      )
    }
  }
}

/**
 * The lifetime in milliseconds.
 *
 * @throws {@link AuthorityError} `days-invalid`
 */
export function lifetimeMs(
  policy: Pick<Policy, 'maxDays'>,
  profile: ProfileName,
  days: number | undefined,
): number {
  const asked = days ?? Math.min(PROFILES[profile].defaultDays, policy.maxDays)
  if (typeof asked !== 'number' || !(asked * DAY_MS >= MINUTE_MS && asked <= policy.maxDays)) {
    throw new AuthorityError('days-invalid', `a lifetime of ${asked} days cannot be given`, {
      hint: `ask for at most ${policy.maxDays} days and at least a minute; short lives renewed often need no revocation`,
    })
  }
  return Math.floor(asked * DAY_MS)
}

function checkWildcard(policy: Policy, name: string): void {
  const labels = name.split('.')
  if (labels.length < 3) {
    throw new AuthorityError(
      'wildcard-too-wide',
      `"${name}" stands for a whole top level, and no browser accepts it`,
      {
        refusedName: name,
        hint: `put a domain of your own in between: *.corp${name.slice(1)}`,
      },
    )
  }
  if (!policy.wildcards) {
    throw new AuthorityError(
      'name-refused',
      `"${name}" is a wildcard, and this authority certifies none`,
      {
        refusedName: name,
      },
    )
  }
}

function invalid(message: string): AuthorityError {
  return new AuthorityError('option-invalid', message)
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
