/**
 * A clock that is plainly wrong makes certificates that nobody accepts; it is refused before any is made.
 *
 * @module
 */
import { systemClock, type Clock } from '@countersign/core'
import { ProgramError } from './errors.ts'

/** This program did not exist before then. */
const EARLIEST = Date.UTC(2024, 0, 1)

/**
 * Refuses to go on under a clock before 2024.
 *
 * @throws {@link ProgramError} `clock-wrong`
 */
export function refuseWrongClock(clock: Clock = systemClock): void {
  const now = clock()
  if (now.getTime() >= EARLIEST) return
  throw new ProgramError('clock-wrong', `this machine’s clock says ${now.toISOString()}`, {
    hint: 'set the clock, for example with timedatectl set-ntp true',
  })
}
