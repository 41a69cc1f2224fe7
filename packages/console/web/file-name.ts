/**
 * Names of files that are made of what a person has typed.
 *
 * @module
 */

/** A name for a file made of a label: letters and digits of any script, nothing that means something to a shell. */
export function fileName(label: string, otherwise: string): string {
  const name = label
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 40)
  return name === '' ? otherwise : name
}
