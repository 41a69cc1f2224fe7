/**
 * The roots and issuers of an authority at one moment, read from the database as a whole.
 *
 * Whoever changes them adds one to `authority.generation`, in the same transaction; so one number tells every process whether what
 * it read is still true.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Store } from '@countersign/store'
import type { Certificate } from '@countersign/x509'
import {
  activeCa,
  type CaRecord,
  type CrossCertificate,
  readCaRecords,
  readCrossCertificates,
} from './ca-records.ts'
import { AuthorityError } from './errors.ts'
import type { LedgerTables } from './ledger-schema.ts'
import type { NameSpace } from './name-space.ts'
import type { RemoteSigner } from './remote-signer.ts'

/** What never changes while an authority is open. */
export interface AuthorityContext {
  readonly store: Store
  /** The data folder. */
  readonly folder: string
  /** The one that was given; else the folder's own is read. */
  readonly passphrase: string | undefined
  /** Signs for issuers whose keys are not in the folder. */
  readonly remoteSigner?: RemoteSigner | undefined
  readonly organization: string
  readonly trustDomain: string
  /** What it may ever sign, or `undefined` where that is everything. */
  readonly constraints: NameSpace | undefined
  readonly clock: Clock
}

/** See the module. */
export interface AuthorityState {
  readonly generation: number
  /** Every generation of root and issuer, the newest first. */
  readonly records: readonly CaRecord[]
  readonly cross: readonly CrossCertificate[]
  /** What clients trust, the newest first. */
  readonly roots: readonly Certificate[]
  /** What they trusted once. */
  readonly formerRoots: readonly Certificate[]
  readonly rootsPem: string
  /** The root that signs now. */
  readonly root: CaRecord
  /** The issuer that signs now. */
  readonly issuer: CaRecord
  /** The root above it. */
  readonly issuerRoot: CaRecord
  /** What servers send after a leaf: the issuer, then what leads clients of a superseded root to the one above it. */
  readonly chain: readonly [issuer: Certificate, ...cross: Certificate[]]
}

/** The number of the generation that the database has now. */
export async function readGeneration(store: Store): Promise<number> {
  const row = await store
    .database<LedgerTables>()
    .selectFrom('authority')
    .select('generation')
    .executeTakeFirst()
  return row?.generation ?? 0
}

/** Reads it all. @param before - what was read before, whose open keys stay open */
export async function readState(
  context: Pick<AuthorityContext, 'store' | 'folder' | 'passphrase' | 'remoteSigner'>,
  before?: AuthorityState,
): Promise<AuthorityState> {
  const { store, folder, passphrase, remoteSigner: remote } = context
  return await store.transaction<LedgerTables, AuthorityState>(async (transaction) => {
    const { generation } = await transaction
      .selectFrom('authority')
      .select('generation')
      .executeTakeFirstOrThrow()
    const records = await readCaRecords(transaction, folder, passphrase, remote, before?.records)
    return stateOf(generation, records, await readCrossCertificates(transaction))
  })
}

function stateOf(
  generation: number,
  records: readonly CaRecord[],
  cross: readonly CrossCertificate[],
): AuthorityState {
  const ofRoots = records.filter(({ kind }) => kind === 'root')
  const live = ofRoots.filter(({ state }) => state !== 'retired')
  const roots = live.map(({ certificate }) => certificate)
  const root = activeCa(records, 'root')
  const issuer = signingIssuer(records)
  const issuerRoot = records.find(({ id }) => id === issuer.parent) ?? root
  return {
    generation,
    records,
    cross,
    roots,
    formerRoots: ofRoots
      .filter(({ state }) => state === 'retired')
      .map(({ certificate }) => certificate),
    rootsPem: roots.map((certificate) => certificate.pem).join(''),
    root,
    issuer,
    issuerRoot,
    chain: chainBelow(records, cross, issuer),
  }
}

/**
 * What servers send after a leaf that is there already: that of its own issuer.
 *
 * @returns an empty array where no issuer of this authority signed it, or one that is retired
 */
export function chainOf({ records, cross }: AuthorityState, leaf: Certificate): Certificate[] {
  const issuer = records.find(
    ({ kind, state, certificate }) =>
      kind === 'issuer' && state !== 'retired' && leaf.issuedBy(certificate),
  )
  return issuer === undefined ? [] : [...chainBelow(records, cross, issuer)]
}

/** An issuer, and the cross-certificates for the root above it whose signers are still trusted. */
function chainBelow(
  records: readonly CaRecord[],
  cross: readonly CrossCertificate[],
  { parent, certificate: issuer }: CaRecord,
): [issuer: Certificate, ...cross: Certificate[]] {
  const isTrusted = (root: string): boolean =>
    records.some(({ id, state }) => id === root && state !== 'retired')
  const above = cross.filter(({ ca, signer }) => ca === parent && isTrusted(signer))
  return [issuer, ...above.map(({ certificate }) => certificate)]
}

/**
 * The active issuer; where its key has not come to this folder yet, the one before it, if that is here: processes on one database
 * may have folders of their own.
 */
function signingIssuer(records: readonly CaRecord[]): CaRecord {
  const active = activeCa(records, 'issuer')
  if (active.key.isPresent) return active
  const others = records.filter(
    ({ id, kind, state }) => kind === 'issuer' && state === 'superseded' && id !== active.id,
  )
  return others.find(({ key }) => key.isPresent) ?? active
}

/**
 * The record of an id.
 *
 * @throws {@link AuthorityError} `not-initialised` where the database has lost it
 */
export function recordOf(records: readonly CaRecord[], id: string): CaRecord {
  const record = records.find((one) => one.id === id)
  if (record !== undefined) return record
  throw new AuthorityError('not-initialised', `the database does not hold ${id}`, {
    hint: 'restore the database from its backup',
  })
}
