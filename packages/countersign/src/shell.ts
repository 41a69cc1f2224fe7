/**
 * Words of a POSIX shell, for the lines that people paste.
 *
 * @module
 */

/** A text as one word: as it is where nothing in it means anything to a shell, else in single quotes. */
export function shellWord(text: string): string {
  return /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
