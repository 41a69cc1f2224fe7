/**
 * A defect that real tools made, as a certificate, and the same without the defect.
 *
 * Not here: what no single certificate shows, such as a name that its issuer may not sign; `verify-*.test.ts` has that.
 *
 * @module
 */
import type { LintProfile } from '../src/lint-rule.ts'
import type { Changes } from './lint-certificates.ts'

/** One defect. */
export interface LintRow {
  /** What is wrong with the certificate, and where it was seen. */
  what: string
  /** What the certificate is made for. */
  profile: LintProfile
  /** The rules that must find it, of the whole and not only of the part that is wrong. */
  rules: readonly string[]
  bad: Changes
  /** @defaultValue the sound certificate of the profile */
  good?: Changes
  /** Held against the validity. */
  time?: Date
  /** Where the defect hides what the certificate was made for. */
  tellProfile?: true
}
