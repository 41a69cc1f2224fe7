/**
 * The authority's files: `roots.pem` for everybody, the encrypted keys and the generated passphrases for the owner.
 *
 * A root's key has a passphrase of its own, which the key file names in its first line: whoever takes that passphrase away has taken
 * the root away, and neither the issuer's passphrase nor the running service opens it (`docs/design/root-offline.md`).
 *
 * New keys are staged in a folder of their own, `.init-<id>`, until the database has said that this authority is the
 * one; only then do they take their names, and never over a file that is there. A process that dies in between leaves
 * either a staged folder that nobody refers to, removed later, or one that the database names, and the next
 * {@link adoptStagedKeys} moves it into place. So no two keys are ever mixed and no lock can be left behind.
 *
 * @module
 */
import { ensurePrivateFolder, errorCode, writeFileAtomic } from '@countersign/core'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { PrivateKey } from '@countersign/x509'
import { AuthorityError } from './errors.ts'

/** The names of the files in the folder. */
export const ROOTS_FILE = 'roots.pem'
export const PASSPHRASE_FILE = 'passphrase'
export const ROOT_KEY_FILE = 'root.key'
export const ISSUER_KEY_FILE = 'issuer.key'

/** The file beside a key that holds the passphrase of that key alone: `root.passphrase`. */
export function passphraseFileOf(keyFile: string): string {
  return `${keyFile.replace(/\.key$/, '')}.passphrase`
}

/** What a new authority keeps in files, by their names: keys are encrypted PKCS#8 as PEM, passphrases only where they were generated. */
export type StagedFiles = Readonly<Partial<Record<StagedName, string | undefined>>> & {
  /** PEM, for everybody. */
  readonly 'roots.pem': string
}

/**
 * Refuses a folder that holds the keys of an authority the database does not know.
 *
 * @throws {@link AuthorityError} `folder-foreign`; CoreError `folder-not-private`
 */
export function prepareFolder(folder: string): void {
  ensurePrivateFolder(folder)
  for (const name of [ROOT_KEY_FILE, ISSUER_KEY_FILE, ROOTS_FILE]) {
    if (existsSync(path.join(folder, name))) throw foreign(folder, name)
  }
}

/** Writes the new authority's files where nothing looks for them yet. */
export async function stageKeys(folder: string, id: string, files: StagedFiles): Promise<void> {
  const staging = stagingFolder(folder, id)
  await mkdir(staging, { mode: 0o700 })
  await writeRoots(staging, files['roots.pem'])
  for (const name of SECRET_NAMES) {
    const text = files[name]
    if (text !== undefined) await writeFileAtomic(path.join(staging, name), text)
  }
  // Once the database names these files, a power cut must not lose them.
  await syncFolder(staging)
  await syncFolder(folder)
}

/** Removes the staged files of an authority that was not to be. */
export async function dropStagedKeys(folder: string, id: string): Promise<void> {
  await removeFolder(stagingFolder(folder, id))
}

/**
 * Moves the staged files of the authority that the database names into place, and removes every other staged folder.
 * Does nothing where that is done; several processes may do it at once.
 *
 * @throws {@link AuthorityError} `folder-foreign` where another authority's file has taken the name
 */
export async function adoptStagedKeys(folder: string, id: string): Promise<void> {
  const staged = (await listFolder(folder)).filter((name) => name.startsWith(STAGING_PREFIX))
  if (staged.length === 0) return
  if (staged.includes(STAGING_PREFIX + id)) {
    for (const name of [...SECRET_NAMES, ROOTS_FILE]) {
      await adopt(path.join(stagingFolder(folder, id), name), path.join(folder, name))
    }
    await syncFolder(folder)
  }
  for (const name of staged) await removeFolder(path.join(folder, name))
}

/** Writes the key of a generation that is not the first, under a name of its own; it outlives a power cut. */
export async function writeKey(folder: string, file: string, pem: string): Promise<void> {
  await writeFileAtomic(path.join(folder, file), pem)
  await syncFolder(folder)
}

/**
 * Writes a root's key to a medium of its own; never over a file that is there.
 *
 * @throws {@link AuthorityError} `key-exists`; CoreError `file-write-failed`
 */
export async function writeElsewhere(file: string, pem: string): Promise<void> {
  if (existsSync(file)) {
    throw new AuthorityError('key-exists', `${file} is there already, and may be somebody’s key`, {
      hint: 'name another file; nothing was changed',
    })
  }
  await writeFileAtomic(file, pem)
}

/** How keys in this folder are encrypted. */
export interface KeyEncryption {
  readonly passphrase: string
  /** `undefined`: as often as a passphrase needs that people choose. */
  readonly iterations: number | undefined
}

/**
 * How the next key is encrypted: as those that are there.
 *
 * @param given - the passphrase that was given; else the folder's own is read
 * @throws {@link AuthorityError} `passphrase-missing`
 */
export async function keyEncryption(
  folder: string,
  given: string | undefined,
): Promise<KeyEncryption> {
  const own = given === undefined ? await readPassphrase(folder) : undefined
  const passphrase = given ?? own
  if (passphrase === undefined) {
    throw new AuthorityError('passphrase-missing', `there is no passphrase for a new key`, {
      hint: `give the passphrase of the other keys, or put it into ${path.join(folder, PASSPHRASE_FILE)}`,
    })
  }
  return { passphrase, iterations: own !== undefined && GENERATED.test(own) ? FEW : undefined }
}

/** A passphrase of 256 random bits. */
export function generatePassphrase(): KeyEncryption {
  return { passphrase: randomBytes(32).toString('base64url'), iterations: FEW }
}

/**
 * A root's key, under a passphrase of its own.
 *
 * @param given - the passphrase, where an operator keeps it; else one is generated
 * @returns the key file, and the passphrase file where there is one to be kept beside it
 */
export function sealRootKey(
  key: PrivateKey,
  keyFile: string,
  given?: string,
): { readonly key: string; readonly passphrase: string | undefined } {
  const encryption =
    given === undefined ? generatePassphrase() : { passphrase: given, iterations: undefined }
  return {
    key: `${SEALED}${passphraseFileOf(keyFile)}\n${key.toPem(encryption)}`,
    passphrase: given === undefined ? `${encryption.passphrase}\n` : undefined,
  }
}

/** Whether the text of a key file says that it has a passphrase of its own. */
export function isSealed(keyText: string): boolean {
  return keyText.startsWith(SEALED)
}

/** Whether a key is in the folder, with the passphrase of its own where it has one. */
export function hasKey(folder: string, keyFile: string): boolean {
  const text = readOptionalSync(path.join(folder, keyFile))
  if (text === undefined) return false
  return !isSealed(text) || existsSync(path.join(folder, passphraseFileOf(keyFile)))
}

/** Writes the roots that clients trust, readable for everybody. */
export async function writeRoots(folder: string, pem: string): Promise<void> {
  await writeFileAtomic(path.join(folder, ROOTS_FILE), pem, { mode: 0o644 })
}

/** The passphrase that `init` generated or an operator put there, or `undefined` without such a file. */
export async function readPassphrase(
  folder: string,
  name: string = PASSPHRASE_FILE,
): Promise<string | undefined> {
  const text = await readOptional(path.join(folder, name))
  if (text === undefined) return undefined
  const passphrase = text.replace(/\r?\n$/, '')
  if (passphrase !== '') return passphrase
  throw new AuthorityError('passphrase-missing', `${path.join(folder, name)} is empty`, {
    hint: 'put the passphrase of the keys back into it, or give it another way',
  })
}

/** The text of a file, or `undefined` where there is none. */
export async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function readOptionalSync(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

async function adopt(from: string, to: string): Promise<void> {
  try {
    // Unlike a rename, a link never takes the place of a file that is there.
    await link(from, to)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT') return
    if (code === 'EEXIST') {
      const [staged, present] = [await readOptional(from), await readOptional(to)]
      if (staged !== undefined && staged !== present) {
        throw foreign(path.dirname(to), path.basename(to))
      }
    } else if (existsSync(to)) {
      throw foreign(path.dirname(to), path.basename(to))
    } else {
      // A file system without links.
      await rename(from, to)
    }
  }
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder, and writes its entries through.
  if (process.platform === 'win32') return
  await using handle = await open(folder, 'r')
  await handle.sync()
}

function stagingFolder(folder: string, id: string): string {
  return path.join(folder, STAGING_PREFIX + id)
}

function foreign(folder: string, name: string): AuthorityError {
  return new AuthorityError(
    'folder-foreign',
    `${path.join(folder, name)} belongs to an authority that the database does not know`,
    {
      hint: 'give the database that was used before, or choose another folder; nothing was changed',
    },
  )
}

const STAGING_PREFIX = '.init-'
/** In the order in which they take their names. */
const SECRET_NAMES = [
  'passphrase',
  'root.passphrase',
  'former.passphrase',
  'issuer.key',
  'former.key',
  'root.key',
] as const
type StagedName = (typeof SECRET_NAMES)[number]
/** Text before a PEM block is for people (RFC 7468 §2), and every reader passes over it. */
const SEALED = 'its passphrase is in '
/** Stretching protects what people can remember; 256 random bits need none, and every start would pay for it. */
const FEW = 1000
/** What {@link generatePassphrase} makes. */
const GENERATED = /^[\w-]{43}$/

/** Another process may be clearing the same folder: what it removes in between is tried again, not an error. */
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 10 })
}
