/**
 * Takes over an authority that was made elsewhere: its root, its issuer where it has one, and what they have issued and revoked.
 *
 * A root that allows an issuer below it goes on as our root. One that allows none (mkcert's) is taken over as the former root of a
 * rollover whose next root is ours: clients of the old one keep what they have, and get both. Why: `docs/design/import.md`.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { type Certificate, type Finding, lint } from '@countersign/x509'
import type { CaKind } from '../ca-certificates.ts'
import { AuthorityError } from '../errors.ts'
import {
  authorityRow,
  found,
  type FoundingPlan,
  prepareFounding,
  readFounding,
} from '../founding.ts'
import type { LedgerTables } from '../ledger-schema.ts'
import { OPEN_OPTIONS, openWith } from '../open.ts'
import type { Authority, InitAuthorityOptions } from '../types.ts'
import { checkIssuer, checkRoot, nameOf, whyNotAbove } from './checks.ts'
import { type Skipped, type TakenCertificate, type TakenRow, takenRows } from './entries.ts'
import { type Generations, generationsOf, type TakenAuthority } from './generations.ts'

/** What is taken over; `organization` is that of the root's subject where it is not given. */
export interface ImportAuthorityOptions extends Omit<InitAuthorityOptions, 'constrain'> {
  root: TakenAuthority
  /** @defaultValue one is made under the root */
  issuer?: TakenAuthority | undefined
  /** What they have issued. @defaultValue nothing */
  issued?: readonly TakenCertificate[] | undefined
  /**
   * Makes a root of ours where none of ours can stand below the one that is taken over, which is then the former one of a rollover.
   * @defaultValue false: refused
   */
  newRoot?: boolean | undefined
}

/** What became of it. */
export interface ImportReport {
  readonly authority: Authority
  /** How many certificates are in the ledger now. */
  readonly imported: number
  /** How many of them are revoked. */
  readonly revoked: number
  readonly skipped: readonly Skipped[]
  /** What the linter finds in the root and the issuer that were taken over. */
  readonly findings: readonly TakenFindings[]
  /** Whether the root is ours, and the one that was taken over its former one. */
  readonly hasNewRoot: boolean
}

/** What is wrong with one of them. */
export interface TakenFindings {
  readonly certificate: Certificate
  readonly findings: readonly Finding[]
}

/**
 * Takes an authority over into an empty folder and database; killed at any point, it has happened or it has not.
 *
 * @throws {@link AuthorityError} `already-initialised`, `folder-foreign`, `key-exists`, `import-refused`, `index-malformed`, `root-expired`,
 *   `key-mismatch`, `key-weak`, `key-unsupported`, `option-invalid`, `clock-wrong`; CoreError `option-unknown`, `file-write-failed`,
 *   `folder-not-private`; StoreError
 */
export async function importAuthority(options: ImportAuthorityOptions): Promise<ImportReport> {
  checkOptions(options, IMPORT_OPTIONS, 'importAuthority')
  const { root, issuer, issued = [], newRoot, ...rest } = options
  const plan = readFounding(options, organizationOf(root.certificate))
  const { now } = plan
  checkRoot(root.certificate, root.key, now)
  if (issuer !== undefined) checkIssuer(issuer.certificate, issuer.key, root.certificate, now)
  const hasNewRoot = needsNewRoot(root.certificate, issuer?.certificate, newRoot)
  const generations = await generationsOf({ ...plan, root, issuer, hasNewRoot })
  const { rows, skipped } = takenRows(issued, generations.takers, generations.rootId)
  await prepareFounding(options.store, options.folder)
  await found(rest, generations.keys, async (id) => record(options, id, plan, generations, rows))
  const authority = await openWith(rest)
  // The root's first list is signed now: its key may be taken away at once.
  await authority.upkeep({ rootKey: generations.rootKey })
  return {
    authority,
    imported: rows.length,
    revoked: rows.filter(isRevoked).length,
    skipped,
    findings: [
      findingsOf(root.certificate, 'root', now),
      ...(issuer === undefined ? [] : [findingsOf(issuer.certificate, 'issuer', now)]),
    ],
    hasNewRoot,
  }
}

/** The ledger, where what stands in which list is left to whoever signs one. */
type TakenTables = Omit<LedgerTables, 'certificate'> & { certificate: TakenRow }

/** What it is called where nobody says: as its root says. */
function organizationOf({ subject }: Certificate): string {
  const own = subject.get('organization') ?? subject.get('commonName') ?? 'Countersign'
  return own.replaceAll(/\p{Cc}/gu, '').slice(0, 64)
}

/**
 * Whether a root of ours has to follow.
 *
 * @throws {@link AuthorityError} `import-refused` where that was not asked for
 */
function needsNewRoot(
  root: Certificate,
  issuer: Certificate | undefined,
  allowed: boolean | undefined,
): boolean {
  const reason = whyNotAbove(root)
  if (reason === undefined) return false
  if (allowed === true && issuer === undefined) return true
  throw new AuthorityError('import-refused', `${nameOf(root)} ${reason}`, {
    hint: 'take it over as a former root, beside a new one that clients are to trust as well: countersign import --new-root, without an issuer',
  })
}

/** One transaction; the single row of `authority` lets one of two through. */
async function record(
  { store }: ImportAuthorityOptions,
  id: string,
  plan: FoundingPlan,
  generations: Generations,
  rows: readonly TakenRow[],
): Promise<void> {
  await store.transaction<TakenTables, void>(async (transaction) => {
    await transaction.insertInto('authority').values(authorityRow(id, plan)).execute()
    for (const row of generations.rows) {
      const revocations = rows.filter((one) => one.ca === row.id && isRevoked(one)).length
      const counted = { ...row, revocations }
      await transaction.insertInto('certificate_authority').values(counted).execute()
    }
    for (let start = 0; start < rows.length; start += ROWS_A_STATEMENT) {
      const part = rows.slice(start, start + ROWS_A_STATEMENT)
      await transaction.insertInto('certificate').values(part).execute()
    }
    if (generations.rollover === undefined) return
    await transaction.insertInto('rollover').values(generations.rollover).execute()
  })
}

function isRevoked({ revoked_at: date }: TakenRow): boolean {
  return date !== null
}

function findingsOf(certificate: Certificate, profile: CaKind, time: Date): TakenFindings {
  return { certificate, findings: lint(certificate, { profile, time }) }
}

/** SQLite takes 32,766 values in a statement, PostgreSQL 65,535. */
const ROWS_A_STATEMENT = 500
const IMPORT_OPTIONS = [
  ...OPEN_OPTIONS,
  'root',
  'issuer',
  'issued',
  'newRoot',
  'keyType',
  'organization',
  'trustDomain',
  'rootPassphrase',
  'rootKeyFile',
] as const
