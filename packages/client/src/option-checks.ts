/**
 * Checks that options of every kind share.
 *
 * @module
 */
import { CoreError, checkOptions } from '@countersign/core'
import { OptionError } from './errors.ts'

/**
 * Refuses every option that is not among `known`.
 *
 * @throws {@link OptionError} `option-unknown`, `option-invalid`
 */
export function check(options: object, known: readonly string[], where: string): void {
  try {
    checkOptions(options, known, where)
  } catch (error) {
    if (!(error instanceof CoreError)) throw error
    const code = error.code === 'option-unknown' ? 'option-unknown' : 'option-invalid'
    throw new OptionError(code, error.message, { hint: error.hint, cause: error })
  }
}

/**
 * A whole number from 0 to `most`.
 *
 * @throws {@link OptionError} `option-invalid`
 */
export function wholeNumber(
  name: string,
  value: number | undefined,
  otherwise: number,
  most: number,
): number {
  if (value === undefined) return otherwise
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw new OptionError('option-invalid', `${name} must be a whole number from 0 to ${most}`)
  }
  return value
}

/** setTimeout turns anything above 2^31 - 1 into 1 ms. */
export const LONGEST_TIMER = 0x7fff_ffff
