/**
 * Lengths of time as people write them: `90s`, `15m`, `12h`, `14d`, `2w`.
 *
 * @module
 */
import { CoreError } from './errors.ts'

/**
 * Reads a length of time.
 *
 * @param text - a whole number and one of `ms s m h d w`
 * @returns milliseconds
 * @throws {@link CoreError} `duration-invalid`
 */
export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,12})\s*(ms|s|m|h|d|w)$/.exec(text.trim()) ?? []
  const milliseconds = UNITS.get(unit ?? '')
  if (count === undefined || milliseconds === undefined) {
    throw new CoreError('duration-invalid', `"${text}" is not a length of time`, {
      hint: 'write a whole number and a unit: 90s, 15m, 12h, 14d, 2w',
    })
  }
  return Number(count) * milliseconds
}

const UNITS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
])
