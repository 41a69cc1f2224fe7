/**
 * Every lint rule, in one table.
 *
 * @module
 */
import type { LintRule } from './lint-rule.ts'
import { AUTHORITY_RULES } from './lint-rules-authority.ts'
import { ENCODING_RULES } from './lint-rules-encoding.ts'
import { EXTENSION_RULES } from './lint-rules-extensions.ts'
import { KEY_RULES } from './lint-rules-keys.ts'
import { NAME_RULES } from './lint-rules-names.ts'
import { PURPOSE_RULES } from './lint-rules-purpose.ts'
import { RSA_RULES } from './lint-rules-rsa.ts'
import { SUBJECT_RULES } from './lint-rules-subject.ts'
import { UNREADABLE_CERTIFICATE, UNREADABLE_PART } from './lint-rules-unreadable.ts'
import { VALIDITY_RULES } from './lint-rules-validity.ts'

/** Every rule; an id stands here once. */
export const RULES: readonly LintRule[] = [
  ...ENCODING_RULES,
  ...SUBJECT_RULES,
  ...NAME_RULES,
  ...RSA_RULES,
  ...KEY_RULES,
  ...AUTHORITY_RULES,
  ...PURPOSE_RULES,
  ...EXTENSION_RULES,
  ...VALIDITY_RULES,
  UNREADABLE_PART,
  UNREADABLE_CERTIFICATE,
]
