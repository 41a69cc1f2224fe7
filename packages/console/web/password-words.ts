/**
 * What is wrong with a password, in words: the service answers with reasons only.
 *
 * @module
 */

/** What to do about the reasons of a refusal; `undefined` for those of another one. */
export function passwordHint(reasons: unknown): string | undefined {
  if (!Array.isArray(reasons)) return undefined
  const words = reasons.flatMap((reason: unknown) => WORDS.get(String(reason)) ?? [])
  return words.length === 0 ? undefined : words.join('; ')
}

const WORDS = new Map([
  ['too-short', 'it is too short: four or more words of your own will do'],
  ['too-long', 'it is too long: a few words are enough'],
  ['not-text', 'it has characters that cannot be stored'],
  ['common', 'it is made of words that everybody tries first'],
  ['repeated', 'it is one piece over and over, or a row of neighbours'],
  ['contains-name', 'it is made of your name, or of the name of the service'],
  ['listed', 'it is on a list of passwords that others know'],
])
