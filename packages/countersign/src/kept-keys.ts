/**
 * What an operator is told about the keys of an authority that was just made: where they and their passphrases are, and where they
 * should be.
 *
 * @module
 */
import path from 'node:path'
import type { DataFolder } from './data-folder.ts'
import { givenPassphrase } from './open-data.ts'
import type { Output } from './output.ts'
import { shellWord } from './shell.ts'

/** What was said about them on the command line. */
export interface KeyPlaceFlags {
  passphraseFile?: string
  rootOut?: string
  rootPassphraseFile?: string
}

/** Tells it. */
export function noteKeys(output: Output, data: DataFolder, flags: KeyPlaceFlags): void {
  const { passphraseFile, rootOut, rootPassphraseFile } = flags
  if (passphraseFile === undefined && givenPassphrase() === undefined) {
    output.note(`the issuer’s passphrase is in ${data.path}/passphrase: keep a copy elsewhere`)
  }
  const secret =
    rootPassphraseFile === undefined ? path.join(data.path, 'root.passphrase') : undefined
  if (rootOut === undefined) {
    const files = [path.join(data.path, 'root.key'), ...(secret === undefined ? [] : [secret])]
    output.note(
      `the root is needed once a year: move ${files.map(shellWord).join(' and ')} to another medium`,
    )
  } else if (secret !== undefined) {
    output.note(
      `the root’s key is in ${rootOut}, and its passphrase in ${secret}: keep them apart, and a copy of each`,
    )
  }
}
