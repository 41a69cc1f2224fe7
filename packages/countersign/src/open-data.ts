/**
 * Opens what a data folder holds: its store, its authority, its users. Each room is loaded only when it is asked for,
 * so that a command starts with no more than it uses.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Authority } from '@countersign/authority'
import type { Auth, OnAuthEvent } from '@countersign/auth'
import { errorMessage } from '@countersign/core'
import type { Store } from '@countersign/store'
import { accountName } from './account-name.ts'
import { readConfiguration } from './configuration.ts'
import { type DataFolder, nonEmpty, requireAuthority } from './data-folder.ts'
import { ProgramError } from './errors.ts'
import { printable } from './output.ts'
import { readPasswordList } from './password-list.ts'
import type { OpenSigner } from './signer/remote-signer.ts'

/** The store that a data folder names: `countersign.toml`, else its own SQLite file, which is made where it is missing. */
export async function openDataStore(data: DataFolder): Promise<Store> {
  const { openStore } = await import('@countersign/store')
  return openStore((await readConfiguration(data)).database ?? `sqlite:${data.database}`)
}

/**
 * The same for a folder that has an authority: its database must be there, and is not made anew, empty, in its place.
 *
 * @throws {@link ProgramError} `not-initialised`, `database-missing`
 */
export async function openExistingStore(data: DataFolder): Promise<Store> {
  requireAuthority(data)
  const { database } = await readConfiguration(data)
  if (database === undefined && !existsSync(data.database)) {
    throw new ProgramError(
      'database-missing',
      `${data.path} has an authority, but not its database`,
      {
        hint: `put ${data.database} back from a backup, or name the database in ${data.configuration}`,
      },
    )
  }
  return await openDataStore(data)
}

/**
 * Runs work on the authority of a data folder and closes the store afterwards.
 *
 * @throws {@link ProgramError} `not-initialised` where the folder holds none
 */
export async function withAuthority<T>(
  data: DataFolder,
  work: (authority: Authority) => Promise<T>,
): Promise<T> {
  await using store = await openExistingStore(data)
  const { openAuthority } = await import('@countersign/authority')
  await using signer = await signerOf(data)
  const { rules } = await readConfiguration(data)
  const authority = await openAuthority({
    store,
    folder: data.path,
    passphrase: givenPassphrase(),
    remoteSigner: signer?.remoteSigner,
    policy: { rules },
    audit: { actor: accountName() },
  })
  return await work(authority)
}

/**
 * Runs work on the authority of a data folder and on its users, who are told of what becomes of their certificates.
 *
 * @throws {@link ProgramError} `not-initialised` where the folder holds no authority
 */
export async function withAuthorityAndUsers<T>(
  data: DataFolder,
  work: (authority: Authority, auth: Auth) => Promise<T>,
): Promise<T> {
  await using store = await openExistingStore(data)
  const { createAuth } = await import('@countersign/auth')
  const { openAuthority } = await import('@countersign/authority')
  const { certifying, renewalsWatchedBy, revocationsHeardBy } = await import(
    './certificate-owners.ts'
  )
  await using signer = await signerOf(data)
  const { rules } = await readConfiguration(data)
  await using auth = await createAuth({
    store,
    keys: { path: data.authKeys },
    certificateAuthority: certifying(() => authority),
  })
  const authority = await openAuthority({
    store,
    folder: data.path,
    passphrase: givenPassphrase(),
    remoteSigner: signer?.remoteSigner,
    policy: { rules },
    audit: { actor: accountName() },
    renewals: renewalsWatchedBy(auth),
    onRevoked: revocationsHeardBy(auth),
  })
  return await work(authority, auth)
}

/** The signer that the folder names; whoever signs with a key of its own does not load it. */
async function signerOf(data: DataFolder): Promise<OpenSigner | undefined> {
  if (!existsSync(path.join(data.path, 'signer.json'))) return undefined
  const { openSigner } = await import('./signer/remote-signer.ts')
  return await openSigner(data)
}

/**
 * Runs work on the users of a data folder and closes the store afterwards.
 *
 * @throws {@link ProgramError} `not-initialised` where the folder holds no authority
 */
export async function withAuth<T>(data: DataFolder, work: (auth: Auth) => Promise<T>): Promise<T> {
  await using store = await openExistingStore(data)
  const { createAuth } = await import('@countersign/auth')
  const { refusedPasswords, tellUsers: command } = await readConfiguration(data)
  const isListed = readPasswordList(refusedPasswords, data.path)
  const keys = { path: data.authKeys }
  const onEvent = await tellingUsers(command)
  await using auth = await createAuth({ store, keys, passwords: { isListed }, onEvent })
  return await work(auth)
}

/** The operator's own command tells users what an operator does to them as well. */
async function tellingUsers(command: string | undefined): Promise<OnAuthEvent | undefined> {
  if (command === undefined) return undefined
  const { tellUsers } = await import('./service/tell-users.ts')
  return tellUsers(command, (text) => {
    process.stderr.write(`${printable(text)}\n`)
  })
}

/**
 * The passphrase that is kept outside the data folder: the first line of `$COUNTERSIGN_PASSPHRASE_FILE`, else of the credential
 * `passphrase` that systemd was told to load (`LoadCredential=passphrase:…`).
 *
 * @returns `undefined` where the variable is not set: the folder's own `passphrase` file is used then
 * @throws {@link ProgramError} `file-unreadable`
 */
export function givenPassphrase(
  file: string | undefined = nonEmpty(process.env['COUNTERSIGN_PASSPHRASE_FILE']) ??
    credential('passphrase'),
): string | undefined {
  return file === undefined ? undefined : readSecretFile(file, 'passphrase')
}

/** The file of a credential that systemd hands to its service, where there is one of this name. */
function credential(name: string): string | undefined {
  const folder = nonEmpty(process.env['CREDENTIALS_DIRECTORY'])
  if (folder === undefined) return undefined
  const file = path.join(folder, name)
  return existsSync(file) ? file : undefined
}

/** The first line of a file that holds a secret; an empty one is refused. */
export function readSecretFile(file: string, what: string): string {
  if (!existsSync(file)) {
    throw new ProgramError('file-unreadable', `the ${what} file ${file} is not there`)
  }
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
  const [line = ''] = text.split(/\r?\n/, 1)
  if (line === '') throw new ProgramError('file-unreadable', `the ${what} file ${file} is empty`)
  return line
}
