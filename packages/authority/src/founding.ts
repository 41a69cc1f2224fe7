/**
 * An authority comes to be: its files are staged, the database says that it is the one, the files take their names. What is made and
 * what is taken over from elsewhere go the same way.
 *
 * @module
 */
import { closest, ensurePrivateFolder, systemClock } from '@countersign/core'
import { type Insertable, json, type Store } from '@countersign/store'
import { KEY_TYPES, type KeyType, type PrivateKey } from '@countersign/x509'
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { readSettings } from './ca-records.ts'
import { parsePartitionSize } from './crl-partitions.ts'
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
import { parsePolicy } from './policy.ts'
import { parsePublicUrl } from './public-url.ts'
import { parseTrustDomain, trustDomainOf } from './trust-domain.ts'
import type { InitAuthorityOptions } from './types.ts'
import { checkedNow } from './validity.ts'

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
  /** Of the keys that are made. */
  readonly keyType: KeyType
  readonly trustDomain: string
  readonly constrain?: readonly string[] | undefined
  readonly publicUrl: string | undefined
  readonly now: Date
}

/**
 * Checks what is common to an authority that is made and one that is taken over, before anything is written.
 *
 * @param organization - what it is called where the options say nothing
 * @throws {@link AuthorityError} `option-invalid`, `clock-wrong`, and as the policy
 */
export function readFounding(
  options: Omit<InitAuthorityOptions, 'constrain'>,
  organization: string,
): FoundingPlan {
  const { keyType = 'p256', clock = systemClock } = options
  const name = (options.organization ?? organization).trim()
  // A common name is made from it; 64 characters are the limit of RFC 5280 appendix A.1.
  if (name === '' || name.length > 64 || /\p{Cc}/u.test(name)) {
    throw invalid('organization must be a name of 1 to 64 characters')
  }
  if (!KEY_TYPES.includes(keyType)) {
    const near = closest(keyType, KEY_TYPES)
    throw invalid(
      `keyType: there is no key type "${keyType}"`,
      near === undefined ? `key types: ${KEY_TYPES.join(', ')}` : `did you mean "${near}"?`,
    )
  }
  for (const option of ['passphrase', 'rootPassphrase'] as const) {
    if (options[option] === '') throw invalid(`${option}: an empty passphrase protects nothing`)
  }
  parsePolicy(options.policy)
  parsePartitionSize(options.crlPartitionSize)
  return {
    organization: name,
    keyType,
    trustDomain:
      options.trustDomain === undefined
        ? trustDomainOf(name)
        : parseTrustDomain(options.trustDomain),
    publicUrl: parsePublicUrl(options.publicUrl),
    now: checkedNow(clock),
  }
}

function invalid(message: string, hint?: string): AuthorityError {
  return new AuthorityError('option-invalid', message, { hint })
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
