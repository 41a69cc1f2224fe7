/**
 * Brings the folder to what the database says: `roots.pem`, and no key of what is retired. Done again whenever the authority is
 * opened or changes, so that a process that dies in between leaves nothing undone.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { AuthorityState } from './authority-state.ts'
import { passphraseFileOf, readOptional, ROOTS_FILE, writeRoots } from './folder.ts'

/**
 * See the module.
 *
 * @returns whether `roots.pem` was written: then the state has to be looked at again, since another process may have written a
 *   newer one meanwhile
 */
export async function tidyFolder(folder: string, state: AuthorityState): Promise<boolean> {
  const { records, rootsPem } = state
  const isOther = (await readOptional(path.join(folder, ROOTS_FILE))) !== rootsPem
  if (isOther) await writeRoots(folder, rootsPem)
  const kept = new Set(
    records.filter((one) => one.state !== 'retired').map(({ keyFile }) => keyFile),
  )
  for (const { keyFile, state: itsState } of records) {
    if (itsState === 'retired' && !kept.has(keyFile)) await removeKey(folder, keyFile)
  }
  return isOther
}

/** Removes a key file where it is there, and the passphrase of that key alone; it is encrypted, and no copy of it is looked for. */
export async function removeKey(folder: string, keyFile: string): Promise<void> {
  for (const name of [keyFile, passphraseFileOf(keyFile)]) {
    const file = path.join(folder, name)
    if (existsSync(file)) await rm(file, { force: true })
  }
}
