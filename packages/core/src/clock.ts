/**
 * The time as something that is handed in, so that a test can set it.
 *
 * @module
 */

/** Answers the present time. */
export type Clock = () => Date

/** The machine's own clock. */
export const systemClock: Clock = () => new Date()

/** The time, cut to whole seconds: what certificates and cookies can hold. */
export function wholeSeconds(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000)
}
