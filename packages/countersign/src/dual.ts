/**
 * A dual authority: beside the one of a data folder a second one of ML-DSA-65, for the same names, in its folder `ml-dsa`. It is an
 * authority like any other, with a database, keys and a root of its own: every command takes its folder as `--data`.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { InitAuthorityOptions } from '@countersign/authority'
import { ensurePrivateFolder } from '@countersign/core'
import { type DataFolder, dataFolder } from './data-folder.ts'
import { ProgramError } from './errors.ts'
import { openDataStore } from './open-data.ts'
import { shellWord } from './shell.ts'

/** The keys of the second authority and of what it certifies. */
export const POST_QUANTUM = 'ml-dsa-65'

/** The flags of `init` that matter here. */
export interface DualFlags {
  dual?: boolean
  keyType?: string
  database?: string
  rootOut?: string
}

/** What the second authority came to. */
export interface PostQuantumFacts {
  readonly data: string
  readonly roots: string
  readonly root: string | undefined
  readonly fingerprint: string | undefined
}

/** The folder of the second authority. */
function postQuantumFolder(data: DataFolder): DataFolder {
  return dataFolder(path.join(data.path, 'ml-dsa'))
}

/**
 * Refuses what does not go with `--dual`.
 *
 * @throws {@link ProgramError} `usage`
 */
export function refuseWrongDual(flags: DualFlags): void {
  if (flags.dual !== true) return
  const other =
    flags.database !== undefined
      ? '--database'
      : flags.rootOut !== undefined
        ? '--root-out'
        : flags.keyType?.startsWith('ml-dsa') === true
          ? `--key-type ${flags.keyType}`
          : undefined
  if (other === undefined) return
  throw new ProgramError('usage', `--dual and ${other} exclude each other`, {
    hint: `make the second authority by itself: countersign init --key-type ${POST_QUANTUM} --data DIR/ml-dsa`,
  })
}

/**
 * Makes the second authority with the settings of the first.
 *
 * @throws AuthorityError and CoreError as `initAuthority`
 */
export async function makePostQuantum(
  data: DataFolder,
  options: Omit<InitAuthorityOptions, 'store' | 'folder' | 'keyType'>,
): Promise<PostQuantumFacts> {
  const folder = postQuantumFolder(data)
  ensurePrivateFolder(folder.path)
  await using store = await openDataStore(folder)
  const { initAuthority } = await import('@countersign/authority')
  const { roots } = await initAuthority({
    ...options,
    store,
    folder: folder.path,
    keyType: POST_QUANTUM,
  })
  const [root] = roots
  return {
    data: folder.path,
    roots: folder.roots,
    root: root?.subject.toString(),
    fingerprint: root?.fingerprint,
  }
}

/**
 * The folder of the second authority, where there is one.
 *
 * @throws {@link ProgramError} `not-initialised`
 */
export function requirePostQuantum(data: DataFolder): DataFolder {
  const folder = postQuantumFolder(data)
  if (existsSync(folder.roots)) return folder
  throw new ProgramError('not-initialised', `there is no second authority in ${folder.path}`, {
    hint: `make it, with the --org and --constrain of the first: countersign init --key-type ${POST_QUANTUM} --data ${shellWord(folder.path)}`,
  })
}
