/**
 * For every lint rule a certificate that it refuses, and where the sound certificate of the profile is too far away to be its twin, one
 * that it accepts.
 *
 * @module
 */
import type { LintCase } from './lint-case.ts'
import { ENCODING_CASES } from './lint-cases-encoding.ts'
import { EXTENSIONS_CASES } from './lint-cases-extensions.ts'
import { KEYS_CASES } from './lint-cases-keys.ts'
import { NAMES_CASES } from './lint-cases-names.ts'
import { VALIDITY_CASES } from './lint-cases-validity.ts'

/** By rule. */
export const LINT_CASES: { [id: string]: LintCase } = {
  ...ENCODING_CASES,
  ...NAMES_CASES,
  ...KEYS_CASES,
  ...EXTENSIONS_CASES,
  ...VALIDITY_CASES,
}
