/**
 * A user agent string as a person would say it. A guess, which is why the string itself is shown beside it.
 *
 * @module
 */

/** `Firefox on Linux`, `curl`, or words for one that says nothing. */
export function deviceText(userAgent: string | undefined): string {
  if (userAgent === undefined || userAgent.trim() === '') return 'Unknown program'
  const program = PROGRAMS.find(([pattern]) => pattern.test(userAgent))?.[1]
  const system = SYSTEMS.find(([pattern]) => pattern.test(userAgent))?.[1]
  if (program === undefined) return /^[^\s/(]{1,40}/.exec(userAgent)?.[0] ?? 'Unknown program'
  return system === undefined ? program : `${program} on ${system}`
}

/** In this order: most browsers also name those that came before them. */
const PROGRAMS: readonly (readonly [RegExp, string])[] = [
  [/^countersign\b/i, 'Countersign'],
  [/^curl\//, 'curl'],
  [/\bEdg(e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'],
  [/\b(Chrome|CriOS|HeadlessChrome|Chromium)\//, 'Chrome'],
  [/\bVersion\/.*\bSafari\//, 'Safari'],
]
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\bAndroid\b/, 'Android'],
  [/\b(iPhone|iPad|iPod)\b/, 'iOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
]
