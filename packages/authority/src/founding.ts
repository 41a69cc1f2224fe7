/**
 * An authority comes to be: its files are staged, the database says that it is the one, the files take their names. What is made and
 * what is taken over from elsewhere go the same way.
 *
 * @module
 */
import { ensurePrivateFolder } from '@countersign/core'
import { type Insertable, json, type Store } from '@countersign/store'
import type { PrivateKey } from '@countersign/x509'
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { readSettings } from './ca-records.ts'
import { AuthorityError } from './errors.ts'
import {
  adoptStagedKeys,
  dropStagedKeys,
  generatePassphrase,
  passphraseFileOf,
  prepareFolder,
  readPassphrase,
  ROOT_KEY_FILE,
  sealRootKey,
  stageKeys,
  writeElsewhere,
} from './folder.ts'
import { LEDGER_MIGRATIONS, type LedgerTables } from './ledger-schema.ts'
import type { InitAuthorityOptions } from './types.ts'

/** The keys of a new authority. */
export interface FoundingKeys {
  /** What clients trust. */
  readonly rootsPem: string
  /** The root, and where there are two the former one. */
  readonly roots: readonly {
    readonly key: PrivateKey
    readonly keyFile: 'root.key' | 'former.key'
  }[]
  readonly issuerKey: PrivateKey
}

/** What is decided about an authority before it is there. */
export interface FoundingPlan {
  readonly organization: string
  readonly trustDomain: string
  readonly constrain?: readonly string[] | undefined
  readonly publicUrl: string | undefined
  readonly now: Date
}

type AuthorityRow = Omit<Insertable<LedgerTables['authority']>, 'constrain'> & {
  constrain: ReturnType<typeof json> | null
}

/** The single row of `authority`. */
export function authorityRow(id: string, plan: FoundingPlan): AuthorityRow {
  const { organization, trustDomain, constrain, publicUrl, now } = plan
  return {
    id: 1,
    init_id: id,
    organization,
    trust_domain: trustDomain,
    constrain: constrain === undefined ? null : json(constrain),
    created_at: now.getTime(),
    public_url: publicUrl ?? null,
    generation: 0,
  }
}

/**
 * Refuses a database and a folder that have an authority.
 *
 * @throws {@link AuthorityError} `already-initialised`, `folder-foreign`; CoreError `folder-not-private`; StoreError
 */
export async function prepareFounding(store: Store, folder: string): Promise<void> {
  await store.migrate('authority', LEDGER_MIGRATIONS)
  await refuseOther(store, folder, undefined)
  prepareFolder(folder)
}

/**
 * Writes files and database; killed at any point, the next `init` or `open` finishes or clears up.
 *
 * @param record - one transaction; the single row of `authority`, with the id that it is given, lets one of two through
 */
export async function found(
  options: InitAuthorityOptions,
  { rootsPem, roots, issuerKey }: FoundingKeys,
  record: (id: string) => Promise<void>,
): Promise<void> {
  const { store, folder, rootKeyFile } = options
  const id = randomBytes(8).toString('hex')
  const given = options.passphrase ?? (await readPassphrase(folder))
  const encryption =
    given === undefined ? generatePassphrase() : { passphrase: given, iterations: undefined }
  const files: Record<string, string | undefined> = {
    passphrase: given === undefined ? `${encryption.passphrase}\n` : undefined,
    'issuer.key': issuerKey.toPem(encryption),
  }
  let elsewhere: string | undefined
  for (const { key, keyFile } of roots) {
    const sealed = sealRootKey(key, keyFile, options.rootPassphrase)
    const isElsewhere = keyFile === ROOT_KEY_FILE && rootKeyFile !== undefined
    if (isElsewhere) elsewhere = sealed.key
    files[keyFile] = isElsewhere ? undefined : sealed.key
    files[passphraseFileOf(keyFile)] = sealed.passphrase
  }
  if (rootKeyFile !== undefined && elsewhere !== undefined) {
    await writeElsewhere(rootKeyFile, elsewhere)
  }
  try {
    await stageKeys(folder, id, { ...files, 'roots.pem': rootsPem })
    await record(id)
  } catch (error) {
    // Where even this question fails the files stay: the commit may have come through, and then they are the only ones.
    if (await refuseOther(store, folder, id)) return
    await dropStagedKeys(folder, id)
    if (rootKeyFile !== undefined) await rm(rootKeyFile, { force: true })
    throw error
  }
}

/**
 * Refuses where the database has an authority that is not `ownId`, and finishes what that one's `init` left undone.
 *
 * @returns whether the database has the authority of `ownId`
 */
async function refuseOther(
  store: Store,
  folder: string,
  ownId: string | undefined,
): Promise<boolean> {
  const settings = await readSettings(store.database<LedgerTables>())
  if (settings === undefined) return false
  if (settings.init_id === ownId) return true
  ensurePrivateFolder(folder)
  await adoptStagedKeys(folder, settings.init_id)
  throw new AuthorityError(
    'already-initialised',
    `${store.url} has an authority already, of ${settings.organization}`,
    { hint: 'open it, or give another folder and database; nothing was changed' },
  )
}
