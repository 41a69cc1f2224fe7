/**
 * Says what is wrong with a certificate of a private authority before a client does: the musts of RFC 5280, 5480, 8410 and
 * 9525, and what strict clients were measured to refuse.
 *
 * Not here: anything that takes more than the one certificate, such as signatures, trust and revocation.
 *
 * @module
 */
import { checkOptions, CoreError } from '@countersign/core'
import { Certificate } from './certificate.ts'
import { X509Error } from './errors.ts'
import type { PublicKey } from './public-key.ts'
import { readInput } from './input.ts'
import { type CertificateEncoding, readEncoding } from './lint-encoding.ts'
import {
  ALL,
  type LintClient,
  type LintContext,
  type LintFault,
  type LintProfile,
  type LintRule,
  type LintRuleFacts,
  type LintSeverity,
} from './lint-rule.ts'
import { KnownKinds } from './lint-kinds.ts'
import { detectProfile } from './lint-profile.ts'
import { RULES } from './lint-rules.ts'
import { oddDnsNames } from './lint-rules-names.ts'
import { SUBJECT_RULES } from './lint-rules-subject.ts'
import { ENCODING_RULES } from './lint-rules-encoding.ts'
import {
  UNREADABLE_CERTIFICATE,
  UNREADABLE_PART,
  unreadableParts,
} from './lint-rules-unreadable.ts'

/** What every rule is about; an id stands here once and never changes its meaning. */
export const LINT_RULES: readonly LintRuleFacts[] = RULES

/** One thing that is wrong with a certificate. */
export interface Finding {
  /** The rule that found it: stable. */
  readonly id: string
  readonly severity: LintSeverity
  /** The fault with its facts. */
  readonly message: string
  /** Who says so. */
  readonly citation: string
  /** The way out, in one sentence. */
  readonly fix: string
  /** Clients that were measured to refuse it; others may as well. */
  readonly refusedBy: readonly LintClient[]
}

/** How {@link lint} looks. */
export interface LintOptions {
  /** What the certificate is meant to be. @defaultValue what {@link lintProfile} takes it for */
  profile?: LintProfile | undefined
  /** The clock to hold the validity against. @defaultValue none: a certificate does not go bad by lying around */
  time?: Date | undefined
}

/**
 * Finds what is wrong with a certificate.
 *
 * @param certificate - a certificate, its PEM or its DER
 * @returns the findings; empty where nothing is wrong. What cannot be read is a finding too.
 * @throws CoreError `option-unknown`, `option-invalid` for a profile nobody knows
 */
export function lint(
  certificate: Certificate | string | Uint8Array,
  options: LintOptions = {},
): Finding[] {
  const { profile, time } = checked(options)
  let parsed: Certificate
  try {
    parsed = certificate instanceof Certificate ? certificate : Certificate.parse(certificate)
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    return lintUnreadable(certificate, profile, error)
  }
  return lintParsed(parsed, { profile: profile ?? detectProfile(parsed), time })
}

/**
 * Finds what is wrong with a certificate.
 *
 * @param issuerKey - the key of whoever signs, where it is at hand: whether the certificate is for that very key is then seen at once;
 *   else the key is hashed in every way that the issuer's identifier may have been made
 */
export type Linter = (certificate: Certificate, issuerKey?: PublicKey) => Finding[]

/**
 * A linter for many certificates of few kinds, as an authority makes them: whoever issued, for what, with which extensions is
 * looked at once, and again only where it differs from what was in order. It finds what {@link lint} finds.
 *
 * @param options - as for {@link lint}, but the profile must be named
 */
export function createLinter(options: LintOptions & { readonly profile: LintProfile }): Linter {
  const { profile, time } = checked(options)
  const kinds = new KnownKinds<readonly Finding[]>()
  return (certificate, issuerKey) =>
    lintParsed(certificate, { profile: profile ?? options.profile, time, issuerKey }, kinds)
}

/** What a certificate is held to be where nobody says it: by basic constraints, extended key usage and names. */
export function lintProfile(certificate: Certificate): LintProfile {
  return detectProfile(certificate)
}

function checked(options: LintOptions): LintOptions {
  checkOptions(options, ['profile', 'time'], 'lint')
  const { profile } = options
  if (profile !== undefined && !ALL.includes(profile)) {
    throw new CoreError('option-invalid', `lint: there is no profile "${profile}"`, {
      hint: `profiles are ${ALL.join(', ')}`,
    })
  }
  return options
}

/** What is known beside the certificate. */
type Known = Pick<LintContext, 'profile' | 'time' | 'issuerKey'>

function lintParsed(
  certificate: Certificate,
  known: Known,
  kinds?: KnownKinds<readonly Finding[]>,
): Finding[] {
  const encoding = readEncoding(certificate.der)
  const ofKind = kinds?.get(certificate, encoding)
  const isKnown = ofKind !== undefined
  const faults = new Set(unreadableParts(certificate, isKnown))
  const look = { certificate, encoding, context: contextOf(certificate, known, isKnown) }
  const { fixed, varying } = rulesOf(known.profile)
  const found = ofKind ?? applyRules(fixed, look, faults)
  const more = applyRules(varying, look, faults)
  // What was found in the subject may hide the same in the issuer: then the next one is looked at as a whole again.
  const hidesNothing = faults.size === 0 && !more.some(({ id }) => SUBJECT_RULE_IDS.has(id))
  if (!isKnown && hidesNothing) kinds?.add(certificate, encoding, found)
  const unreadable = [...faults].map((fault) => findingOf(UNREADABLE_PART, fault))
  return [...found, ...more, ...unreadable]
}

function contextOf(
  certificate: Certificate,
  { profile, time, issuerKey }: Known,
  isIssuerKnown: boolean,
): LintContext {
  return {
    profile,
    time,
    issuerKey,
    isIssuerKnown,
    lifetimeMs: certificate.notAfter.getTime() + 1000 - certificate.notBefore.getTime(),
    oddDnsNames: oddDnsNames(certificate),
  }
}

interface Look {
  readonly certificate: Certificate
  readonly encoding: CertificateEncoding
  readonly context: LintContext
}

/** @param faults - what could not be read, by whichever rule, is added here */
function applyRules(rules: readonly BoundRule[], look: Look, faults: Set<string>): Finding[] {
  const findings: Finding[] = []
  for (const bound of rules) {
    try {
      const fault = bound.find(look)
      if (fault !== undefined && fault !== false) findings.push(findingOf(bound.rule, fault))
    } catch (error) {
      if (!(error instanceof X509Error)) throw error
      faults.add(error.message)
    }
  }
  return findings
}

/** All of one shape, so that going through them stays fast. */
interface BoundRule {
  readonly rule: LintRule
  readonly find: (look: Look) => LintFault
}

function bind(rule: LintRule): BoundRule {
  if ('find' in rule) {
    const { find } = rule
    return { rule, find: ({ certificate, context }) => find(certificate, context) }
  }
  const { findInEncoding } = rule
  return { rule, find: ({ encoding }) => findInEncoding(encoding) }
}

/** What is no certificate still has bytes to look at, unless it is no DER at all. */
function lintUnreadable(
  input: Certificate | string | Uint8Array,
  profile: LintProfile | undefined,
  error: X509Error,
): Finding[] {
  const der = input instanceof Certificate ? input.der : derOf(input)
  const encoding = readEncoding(der ?? new Uint8Array())
  const findings = ENCODING_RULES.flatMap((rule) => {
    const fault = rule.findInEncoding(encoding)
    const isAsked = profile === undefined || rule.profiles.includes(profile)
    return isAsked && fault !== undefined && fault !== false ? [findingOf(rule, fault)] : []
  })
  return [...findings, findingOf(UNREADABLE_CERTIFICATE, error.message)]
}

function derOf(input: string | Uint8Array): Uint8Array | undefined {
  try {
    const blocks = readInput(input, 'certificate', 'certificate-malformed')
    return blocks instanceof Uint8Array
      ? blocks
      : blocks.find(({ label }) => label.endsWith('CERTIFICATE'))?.der
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    return undefined
  }
}

function findingOf(rule: LintRule, fault: Exclude<LintFault, false | undefined>): Finding {
  const { id, severity, about, citation, fix, refusedBy = [] } = rule
  if (typeof fault === 'object') return { id, severity, citation, fix, ...fault }
  return { id, severity, message: fault === true ? about : fault, citation, fix, refusedBy }
}

interface RulesOfProfile {
  /** They find the same in every certificate of a kind. */
  readonly fixed: readonly BoundRule[]
  readonly varying: readonly BoundRule[]
}

function rulesOf(profile: LintProfile): RulesOfProfile {
  let chosen = CHOSEN.get(profile)
  if (chosen === undefined) {
    const rules = RULES.filter(({ profiles }) => profiles.includes(profile))
    chosen = {
      fixed: rules.filter(({ varies = false }) => !varies).map(bind),
      varying: rules.filter(({ varies = false }) => varies).map(bind),
    }
    CHOSEN.set(profile, chosen)
  }
  return chosen
}

const SUBJECT_RULE_IDS: ReadonlySet<string> = new Set(SUBJECT_RULES.map(({ id }) => id))
const CHOSEN = new Map<LintProfile, RulesOfProfile>()
