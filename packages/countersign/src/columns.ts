/**
 * Text in lines of 80 columns.
 *
 * @module
 */
import { printable } from './output.ts'

/**
 * Words in lines of 80 columns, all of them indented; a word that is too long is cut. What {@link together} joined stays on one
 * line.
 */
export function wrapped(text: string, indent: number): string[] {
  const width = COLUMNS - indent
  const lines: string[] = []
  let line = ''
  for (const word of printable(text)
    .split(/[ \n]+/)
    .flatMap((long) => pieces(long, width))) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  if (line !== '') lines.push(line)
  return lines.map((one) => ' '.repeat(indent) + one.replaceAll(JOINT, ' '))
}

/** Words that belong on one line. */
export function together(text: string): string {
  return text.replaceAll(' ', JOINT)
}

function pieces(word: string, width: number): string[] {
  const found: string[] = []
  for (let at = 0; at < word.length; at += width) found.push(word.slice(at, at + width))
  return found
}

const COLUMNS = 80
/** No-break space. */
const JOINT = '\u00A0'
