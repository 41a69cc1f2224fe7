/**
 * Who may ask for which certificates. Nothing is allowed that no rule allows; one rule has to allow a request as a whole.
 *
 * The operator, who holds the authority's keys, and administrators are above the rules. Everybody else is not: users and services
 * by their names and roles, ACME accounts, enrolment tokens, and certificates that are renewed.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { type GeneralName, KEY_TYPES } from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import { type NamePattern, parseNamePattern, patternCovers } from './name-pattern.ts'
import { type ProfileName, parseProfile } from './profiles.ts'
import { nameText } from './subject.ts'

/** Who asks, as the rules see them. */
export interface Asker {
  /** How they are known. `operator` holds the keys of the authority. */
  readonly via: 'operator' | 'user' | 'factor' | 'acme' | 'token' | 'certificate'
  /**
   * Of a user or service its name, also where it asks for a client certificate of its own (`factor`); of an account or a token its id, of
   * a certificate its first name.
   */
  readonly name: string
  /** @defaultValue none */
  readonly roles?: readonly string[] | undefined
  /** The names that their credential itself proves. @defaultValue none */
  readonly own?: readonly GeneralName[] | undefined
}

/** A rule as it is written. */
export interface RequesterRule {
  /**
   * `role:issuer`, `user:ann`, `factor:*`, `acme:*`, `token:*`, `certificate:web.corp.internal`; `*` stands for all of a kind. Roles are
   * looked at for `factor` as well.
   */
  who: readonly string[]
  /**
   * Patterns of names: `api.corp.internal`, `*.corp.internal` (one label), `.corp.internal` (the domain and below), `10.0.0.0/8`,
   * `@corp.internal`, `spiffe://corp.internal/team/`, `hosts`, `any`, `own`.
   */
  names: readonly string[]
  /** @defaultValue `['server']` */
  profiles?: readonly string[] | undefined
  /** @defaultValue every type that the authority certifies */
  keyTypes?: readonly string[] | undefined
  /** The longest lifetime in days. @defaultValue that of the policy */
  maxDays?: number | undefined
  /** Whether wildcard names may be among them. @defaultValue false */
  wildcards?: boolean | undefined
}

/** A rule, read. */
export interface ParsedRule {
  readonly who: readonly { readonly kind: string; readonly name: string }[]
  readonly names: readonly NamePattern[]
  readonly profiles: readonly ProfileName[]
  readonly keyTypes: readonly string[] | undefined
  readonly maxDays: number | undefined
  readonly wildcards: boolean
}

/**
 * What holds where no rules are written: an account, a token and a certificate get what they prove, whoever has proved who they are
 * gets a client's certificate for themselves, and whoever has the role `issuer` gets servers' certificates for host names. Other
 * certificates of clients are others' identities: they take a rule.
 */
export const DEFAULT_RULES: readonly RequesterRule[] = [
  { who: ['acme:*'], names: ['own'], profiles: ['server'], wildcards: true },
  {
    who: ['token:*', 'certificate:*'],
    names: ['own'],
    profiles: ['server', 'client', 'both'],
    wildcards: true,
  },
  { who: ['factor:*'], names: ['own'], profiles: ['client'] },
  { who: ['role:issuer'], names: ['hosts'], profiles: ['server'] },
]

/**
 * Reads rules.
 *
 * @throws {@link AuthorityError} `option-invalid`, `profile-unknown`; CoreError `option-unknown`
 */
export function parseRules(rules: readonly RequesterRule[]): ParsedRule[] {
  if (!Array.isArray(rules) || rules.length > MOST_RULES) {
    throw invalid(`rules must be a list of at most ${MOST_RULES}`)
  }
  return rules.map((rule, index) => parseRule(rule, `rules[${index + 1}]`))
}

/**
 * Refuses rules that cannot be read.
 *
 * @throws {@link AuthorityError} `option-invalid`, `profile-unknown`; CoreError `option-unknown`
 */
export function checkRequesterRules(rules: readonly RequesterRule[]): void {
  parseRules(rules)
}

/**
 * Whether anybody with this name and these roles may ask for anything at all.
 */
export function hasRule(rules: readonly ParsedRule[], asker: Asker): boolean {
  return isAbove(asker) || rules.some((rule) => isAbout(rule, asker))
}

/** What is asked for, as the rules see it. */
export interface RuledRequest {
  readonly profile: ProfileName
  readonly names: readonly GeneralName[]
  readonly keyType: string
}

/**
 * Finds the rule that allows a request.
 *
 * @returns the longest lifetime in days that it gives; `undefined` where it sets none
 * @throws {@link AuthorityError} `requester-refused`, `profile-refused`, `key-refused`, `name-refused`
 */
export function checkRules(
  rules: readonly ParsedRule[],
  asker: Asker,
  request: RuledRequest,
): number | undefined {
  if (isAbove(asker)) return undefined
  const about = rules.filter((rule) => isAbout(rule, asker))
  const who = describe(asker)
  if (about.length === 0) {
    throw new AuthorityError('requester-refused', `no rule lets ${who} ask for certificates`, {
      hint: 'the operator writes rules into countersign.toml: countersign policy shows them',
    })
  }
  const { profile, keyType, names } = request
  const profiled = about.filter((rule) => rule.profiles.includes(profile))
  if (profiled.length === 0) {
    throw new AuthorityError(
      'profile-refused',
      `${who} may not ask for a certificate of profile ${profile}`,
    )
  }
  const keyed = profiled.filter(
    ({ keyTypes }) => keyTypes === undefined || keyTypes.includes(keyType),
  )
  if (keyed.length === 0) {
    const types = [...new Set(profiled.flatMap((rule) => rule.keyTypes ?? []))]
    throw new AuthorityError(
      'key-refused',
      `${who} may not have a key of type ${keyType} certified`,
      {
        hint: `use a key of type ${types.join(' or ')}`,
      },
    )
  }
  const fitting = keyed.filter((rule) => names.every((name) => allowsName(rule, name, asker)))
  if (fitting.length > 0) return longest(fitting)
  // The name that no rule allows, and where each is allowed by some rule but not together, the first that the first refuses.
  const refused =
    names.find((name) => !keyed.some((rule) => allowsName(rule, name, asker))) ??
    names.find((name) => keyed[0] !== undefined && !allowsName(keyed[0], name, asker))
  const text = refused === undefined ? '' : nameText(refused)
  throw new AuthorityError('name-refused', `${who} may not ask for "${text}"`, {
    refusedName: text,
    hint: 'one rule has to allow all names of a certificate: countersign policy shows the rules',
  })
}

/** Whether the rules let somebody ask for one name of a server, whatever the rest of the request is. */
export function allowsSomewhere(
  rules: readonly ParsedRule[],
  asker: Asker,
  name: GeneralName,
): boolean {
  return (
    isAbove(asker) || rules.some((rule) => isAbout(rule, asker) && allowsName(rule, name, asker))
  )
}

function allowsName(rule: ParsedRule, name: GeneralName, { own = [] }: Asker): boolean {
  if (name.type === 'dns' && name.value.includes('*') && !rule.wildcards) return false
  return rule.names.some((pattern) => patternCovers(pattern, name, own))
}

/** Of several that fit, the one that gives the most. */
function longest(rules: readonly ParsedRule[]): number | undefined {
  const days = rules.map(({ maxDays }) => maxDays ?? Number.POSITIVE_INFINITY)
  const most = Math.max(...days)
  return Number.isFinite(most) ? most : undefined
}

function isAbove({ via, roles = [] }: Asker): boolean {
  return via === 'operator' || (isUser(via) && roles.includes('admin'))
}

function isAbout(rule: ParsedRule, { via, name, roles = [] }: Asker): boolean {
  return rule.who.some((who) =>
    who.kind === 'role'
      ? isUser(via) && roles.includes(who.name)
      : who.kind === via && (who.name === '*' || who.name === name),
  )
}

function isUser(via: Asker['via']): boolean {
  return via === 'user' || via === 'factor'
}

function describe({ via, name }: Asker): string {
  const kinds = {
    operator: 'operator',
    user: 'user',
    factor: 'user',
    acme: 'ACME account',
    token: 'enrolment token',
    certificate: 'holder of',
  }
  return `the ${kinds[via]} "${name}"`
}

function parseRule(rule: RequesterRule, option: string): ParsedRule {
  checkOptions(rule, RULE_OPTIONS, option)
  const { who, names, profiles = ['server'], keyTypes, maxDays, wildcards = false } = rule
  if (maxDays !== undefined && !(typeof maxDays === 'number' && maxDays > 0 && maxDays <= 3650)) {
    throw invalid(`${option}.maxDays must be above 0, at most 3650`)
  }
  if (typeof wildcards !== 'boolean') throw invalid(`${option}.wildcards must be true or false`)
  const unknown = keyTypes?.find((type) => !CERTIFIED_TYPES.has(type))
  if (unknown !== undefined) {
    throw new AuthorityError(
      'option-invalid',
      `${option}.keyTypes: there is no key type "${unknown}"`,
      {
        hint: `key types are ${[...CERTIFIED_TYPES].join(', ')}`,
      },
    )
  }
  return {
    who: texts(who, `${option}.who`).map((text) => parseWho(text, `${option}.who`)),
    names: texts(names, `${option}.names`).map((text) => parseNamePattern(text, `${option}.names`)),
    profiles: texts(profiles, `${option}.profiles`).map((text) => parseProfile(text)),
    keyTypes: keyTypes === undefined ? undefined : texts(keyTypes, `${option}.keyTypes`),
    maxDays,
    wildcards,
  }
}

function parseWho(text: string, option: string): { kind: string; name: string } {
  const [, kind = '', name = ''] = PLAIN_WHO.exec(text) ?? WHO.exec(text) ?? []
  if (kind !== '' && !(kind === 'role' && name === '*')) return { kind, name }
  throw new AuthorityError('option-invalid', `${option}: "${text.slice(0, 100)}" says nobody`, {
    hint: 'write role:NAME, user:NAME, factor:NAME, acme:ACCOUNT, token:ID or certificate:NAME; * stands for all of a kind, except for roles',
  })
}

function texts(list: readonly string[], option: string): readonly string[] {
  const isList = Array.isArray(list) && list.every((text) => typeof text === 'string')
  if (isList && list.length > 0 && list.length <= MOST_ENTRIES) return list
  throw invalid(`${option} must be a list of 1 to ${MOST_ENTRIES} texts`)
}

function invalid(message: string): AuthorityError {
  return new AuthorityError('option-invalid', message)
}

const RULE_OPTIONS = ['who', 'names', 'profiles', 'keyTypes', 'maxDays', 'wildcards'] as const
const CERTIFIED_TYPES: ReadonlySet<string> = new Set<string>(KEY_TYPES)
const MOST_RULES = 200
const MOST_ENTRIES = 1000
const WHO = /^(role|user|factor|acme|token|certificate):([^\p{C}]{1,200})$/u
/** Nearly all of them; the classes of Unicode in the other one take a millisecond to compile. */
const PLAIN_WHO = /^(role|user|factor|acme|token|certificate):([\w.@*-]{1,200})$/
