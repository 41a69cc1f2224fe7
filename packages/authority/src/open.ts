/**
 * Opens an authority that was made before: a few small queries, no key.
 *
 * @module
 */
import { checkOptions, ensurePrivateFolder, systemClock } from '@countersign/core'
import { AuditTrail } from './audit-trail.ts'
import { OpenedAuthority } from './authority.ts'
import { readState } from './authority-state.ts'
import { readSettings } from './ca-records.ts'
import { constrainedSpace } from './constraints.ts'
import { CrlPartitions, parsePartitionSize } from './crl-partitions.ts'
import { AuthorityError } from './errors.ts'
import { adoptStagedKeys } from './folder.ts'
import { LEDGER_MIGRATIONS, type LedgerTables } from './ledger-schema.ts'
import { parsePolicy } from './policy.ts'
import { parsePublicUrl } from './public-url.ts'
import type { Authority, OpenAuthorityOptions } from './types.ts'

/**
 * Opens the authority in a database and its folder. The keys stay closed until the first signature, and the root's may be
 * elsewhere. `roots.pem` is written anew where it is missing or not what the database says, and an `init` or a rollover
 * that was interrupted is finished.
 *
 * @throws {@link AuthorityError} `not-initialised`, `option-invalid`, `folder-foreign`; CoreError `option-unknown`,
 *   `file-write-failed`, `folder-not-private`; StoreError
 */
export async function openAuthority(options: OpenAuthorityOptions): Promise<Authority> {
  checkOptions(options, OPEN_OPTIONS, 'openAuthority')
  return await openWith(options)
}

/** Opens, with options that were checked. */
export async function openWith(options: OpenAuthorityOptions): Promise<OpenedAuthority> {
  const {
    store,
    folder,
    passphrase,
    authorize,
    clock = systemClock,
    onFault = noop,
    audit,
  } = options
  const policy = parsePolicy(options.policy)
  const crlPartitionSize = parsePartitionSize(options.crlPartitionSize)
  const givenUrl = parsePublicUrl(options.publicUrl)
  await store.migrate('authority', LEDGER_MIGRATIONS)
  const database = store.database<LedgerTables>()
  const settings = await readSettings(database)
  if (settings === undefined) {
    throw new AuthorityError('not-initialised', `there is no authority in ${store.url}`, {
      hint: 'make one first: countersign init',
    })
  }
  ensurePrivateFolder(folder)
  await adoptStagedKeys(folder, settings.init_id)
  // Whoever only issues from the command line should not pay for loading a web framework.
  const createRoutes =
    authorize === undefined ? undefined : (await import('./routes.ts')).createRoutes
  const { remoteSigner } = options
  const state = await readState({ store, folder, passphrase, remoteSigner })
  const authority = new OpenedAuthority({
    store,
    folder,
    passphrase,
    remoteSigner,
    clock,
    state,
    organization: settings.organization,
    trustDomain: settings.trust_domain,
    constraints:
      settings.constrain === null
        ? undefined
        : constrainedSpace(settings.constrain, settings.trust_domain),
    policy,
    publicUrl: settings.public_url ?? undefined,
    onFault,
    audit: audit === undefined ? undefined : new AuditTrail(store, clock, audit.actor, onFault),
    partitions: new CrlPartitions(store, clock, crlPartitionSize),
    renewals: options.renewals,
    onRevoked: options.onRevoked,
    createRoutes:
      createRoutes === undefined || authorize === undefined
        ? undefined
        : (opened) => createRoutes(opened, authorize),
  })
  if (givenUrl !== undefined) await authority.setPublicUrl(givenUrl)
  await authority.refresh()
  return authority
}

function noop(): void {}

/** The options of {@link openAuthority}. */
export const OPEN_OPTIONS = [
  'store',
  'folder',
  'passphrase',
  'remoteSigner',
  'policy',
  'publicUrl',
  'authorize',
  'onFault',
  'renewals',
  'onRevoked',
  'audit',
  'crlPartitionSize',
  'clock',
] as const
