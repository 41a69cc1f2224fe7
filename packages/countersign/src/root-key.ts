/**
 * The root's key from a file that lies elsewhere: a medium that is brought for the occasion.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { PrivateKey, X509Error } from '@countersign/x509'
import { type DataFolder, nonEmpty } from './data-folder.ts'
import { ProgramError } from './errors.ts'
import { readGivenFile } from './given-file.ts'
import { givenPassphrase, readSecretFile } from './open-data.ts'
import { askSecret } from './secrets.ts'

/** Where the key is. */
export interface RootKeyFlags {
  rootKey?: string
  passphraseFile?: string
}

/**
 * Reads it with the passphrase that is given for it, else with the folder's own; asks for it at a terminal, and nowhere else.
 *
 * @returns `undefined` where no file was named: then the folder's is used
 * @throws {@link ProgramError} `file-unreadable`; X509Error as the key
 */
export async function readRootKey(
  flags: RootKeyFlags,
  data: DataFolder,
): Promise<PrivateKey | undefined> {
  const { rootKey: file, passphraseFile } = flags
  if (file === undefined) return undefined
  const text = readGivenFile(file).toString()
  const passphrase =
    passphraseFile === undefined
      ? ownPassphrase(data)
      : readSecretFile(passphraseFile, 'passphrase')
  try {
    return PrivateKey.parse(text, { passphrase, source: file })
  } catch (error) {
    const isPassphrase =
      error instanceof X509Error &&
      (error.code === 'passphrase-wrong' || error.code === 'passphrase-missing')
    if (!isPassphrase) throw error
    if (!process.stdin.isTTY || passphraseFile !== undefined) {
      throw new ProgramError('file-unreadable', error.message, {
        cause: error,
        hint: 'name a file with its passphrase: --passphrase-file FILE',
      })
    }
    return PrivateKey.parse(text, {
      passphrase: await askSecret(`Passphrase of ${file}`),
      source: file,
    })
  }
}

function ownPassphrase(data: DataFolder): string | undefined {
  const given = givenPassphrase()
  const file = path.join(data.path, 'passphrase')
  if (given !== undefined || !existsSync(file)) return given
  return nonEmpty(readSecretFile(file, 'passphrase'))
}
