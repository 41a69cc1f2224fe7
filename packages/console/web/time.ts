/**
 * Times in words, in the language of the browser's dates and in the reader's own zone.
 *
 * @module
 */

/** A day: 3 Jan 2027. */
export function dayText(date: Date): string {
  return DAY.format(date)
}

/** A moment: 3 Jan 2027, 14:05. */
export function momentText(date: Date): string {
  return MOMENT.format(date)
}

/** How far away: `in 6 days`, `2 hours ago`, `just now`. */
export function distanceText(date: Date, now: Date): string {
  const milliseconds = date.getTime() - now.getTime()
  const size = Math.abs(milliseconds)
  if (size < MINUTE) return 'just now'
  const [unit, length] = UNITS.find(([, , from]) => size >= from) ?? ['minute', MINUTE]
  // Towards zero: "in 1 day" is said until less than a day is left, never more than there is.
  return RELATIVE.format(Math.trunc(milliseconds / length), unit)
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY_MS = 24 * HOUR
/** The unit, its length, and from where on it is used: days up to a hundred, because of a certificate one counts them. */
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number, number])[] = [
  ['year', 365 * DAY_MS, 2 * 365 * DAY_MS],
  ['month', 30 * DAY_MS, 100 * DAY_MS],
  ['day', DAY_MS, DAY_MS],
  ['hour', HOUR, HOUR],
  ['minute', MINUTE, MINUTE],
]
const LOCALE = navigator.language.startsWith('en') ? navigator.language : 'en-GB'
const DAY = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', year: 'numeric' })
const MOMENT = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'short' })
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'always' })
