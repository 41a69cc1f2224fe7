/**
 * What a task of the account has come to.
 *
 * @module
 */

/** Told where the task was begun. */
export interface Outcome {
  readonly notice: string
  /** Recovery codes, shown this once. */
  readonly codes?: readonly string[] | undefined
}
