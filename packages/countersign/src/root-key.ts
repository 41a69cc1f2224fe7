/**
 * The root's key from a file that lies elsewhere: a medium that is brought for the occasion.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { PrivateKey, X509Error } from '@countersign/x509'
import type { DataFolder } from './data-folder.ts'
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
 * Reads it with the passphrase that is given for it, else with the one that lies beside it or in the data folder; asks for it at a
 * terminal, and nowhere else.
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
  const passphrases =
    passphraseFile === undefined
      ? knownPassphrases(file, data)
      : [readSecretFile(passphraseFile, 'passphrase')]
  let refusal: X509Error | undefined
  for (const passphrase of passphrases.length === 0 ? [undefined] : passphrases) {
    try {
      return PrivateKey.parse(text, { passphrase, source: file })
    } catch (error) {
      if (!isAboutPassphrase(error)) throw error
      refusal = error
    }
  }
  if (process.stdin.isTTY && passphraseFile === undefined) {
    const passphrase = await askSecret(`Passphrase of ${file}`)
    return PrivateKey.parse(text, { passphrase, source: file })
  }
  throw new ProgramError('file-unreadable', refusal?.message ?? `${file} cannot be opened`, {
    cause: refusal,
    hint: 'name a file with its passphrase: --passphrase-file FILE',
  })
}

function isAboutPassphrase(error: unknown): error is X509Error {
  return (
    error instanceof X509Error &&
    (error.code === 'passphrase-wrong' || error.code === 'passphrase-missing')
  )
}

/** Those that may open it, the likeliest first: its own, beside it or in the data folder; the one of the issuer, as older folders have it. */
function knownPassphrases(file: string, data: DataFolder): string[] {
  const own = `${path.basename(file).replace(/\.key$/, '')}.passphrase`
  const files = [
    path.join(path.dirname(file), own),
    path.join(data.path, own),
    path.join(data.path, 'root.passphrase'),
    path.join(data.path, 'passphrase'),
  ].filter((name) => existsSync(name))
  const texts = files.map((name) => readSecretFile(name, 'passphrase'))
  return [...new Set([...texts, ...[givenPassphrase()].filter((one) => one !== undefined)])]
}
