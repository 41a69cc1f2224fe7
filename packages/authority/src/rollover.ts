/**
 * Rollover: a state machine in the database whose every step is one transaction.
 *
 * | step | what is true | killed before the next |
 * | --- | --- | --- |
 * | `begun` | one process has said which generation it is about to make; nobody else sees it | the next `roll` begins again and removes the key file of this one |
 * | `published` | the new generation signs, the old one is still published | the files follow when the authority is opened |
 * | `retired` | the old generation is gone | its key files are removed when the authority is opened |
 *
 * A process that takes over a rollover which has only begun changes its `owner`; the one before finds that out when it wants to
 * publish, and is refused. So no lock is held while keys are made, and none can be left behind.
 *
 * Why the certificates are what they are: `docs/design/rollover.md`.
 *
 * @module
 */
import { isUniqueViolation, type Transaction } from '@countersign/store'
import { type KeyType, PrivateKey } from '@countersign/x509'
import { randomBytes } from 'node:crypto'
import {
  certifyIssuer,
  crossCertify,
  keyIdOf,
  makeIssuer,
  makeIssuerFor,
  makeRoot,
  type CaKind,
  type NewCa,
} from './ca-certificates.ts'
import { activeCa, type CaRecord } from './ca-records.ts'
import { caRow, certificateColumns, firstListRow } from './ca-rows.ts'
import {
  certifyRequest,
  type ChangingAuthority,
  nextGeneration,
  rootSigner,
  tellSigner,
} from './changing.ts'
import { AuthorityError } from './errors.ts'
import { keyEncryption, passphraseFileOf, sealRootKey, writeKey } from './folder.ts'
import { removeKey } from './folder-upkeep.ts'
import { formerRow } from './issuer-renewal.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { signCrl } from './sign-crl.ts'
import type { RollOptions } from './types.ts'
import { backdate, checkedNow } from './validity.ts'

/**
 * Makes the next root: signed by the one before, and signing the issuer's key anew. The issuer goes over to it at once, so that what
 * is issued from now on no longer needs the root before, except for clients that have no other.
 */
export async function rollRoot(authority: ChangingAuthority, options: RollOptions): Promise<void> {
  await refuseOpen(authority, 'root')
  const { organization, constraints, state } = authority
  const now = checkedNow(authority.clock)
  const { root: old } = state
  const issuer = activeCa(state.records, 'issuer')
  refuseEnded(old, now)
  const oldSigner = await rootSigner(authority, old, options.rootKey)
  const key = await newKey(old, options.keyType)
  const made = draw(state.records, () =>
    makeRoot({
      organization,
      key,
      notBefore: backdate(now),
      constraints,
      inherited: old.certificate.extensions.nameConstraints,
    }),
  )
  const cross = crossCertify(certifyRequest(authority, old, oldSigner, now), made.certificate)
  const { subject, publicKey } = issuer.certificate
  const { nameConstraints: ofIssuer } = issuer.certificate.extensions
  const certificate = certifyIssuer(
    { ...certifyRequest(authority, made, key.signer(), now), inherited: ofIssuer },
    subject,
    publicKey,
    keyIdOf(issuer.certificate),
  )
  await tellSigner(authority, issuer, certificate, [cross])
  const list = signCrl({ ...made, kind: 'root' }, key.signer(), 1, now, [])
  await change(authority, 'root', old, made, async (transaction) => {
    // First: where the issuer was renewed meanwhile, what it was before is written down already.
    const { numUpdatedRows } = await transaction
      .updateTable('certificate_authority')
      .set({ ...certificateColumns(certificate), parent: made.id })
      .where('id', '=', issuer.id)
      .where('fingerprint', '=', issuer.certificate.fingerprint)
      .where('state', '=', 'active')
      .executeTakeFirstOrThrow()
    if (numUpdatedRows === 0n) throw underway('the issuer has changed meanwhile')
    await transaction.insertInto('revocation_list').values(firstListRow(list)).execute()
    await transaction
      .insertInto('ca_certificate')
      .values([
        {
          fingerprint: cross.fingerprint,
          ca: made.id,
          signer: old.id,
          kind: 'cross',
          certificate: cross.der,
          not_after: cross.notAfter.getTime(),
          created_at: now.getTime(),
        },
        formerRow(issuer, issuer.parent ?? old.id, now),
      ])
      .execute()
  })
}

/** Makes the next issuer, under the root that is active. */
export async function rollIssuer(
  authority: ChangingAuthority,
  options: RollOptions,
): Promise<void> {
  await refuseOpen(authority, 'issuer')
  const { organization, state } = authority
  const now = checkedNow(authority.clock)
  const { root } = state
  const old = activeCa(state.records, 'issuer')
  refuseEnded(root, now)
  const signer = await rootSigner(authority, root, options.rootKey)
  const { nameConstraints: inherited } = old.certificate.extensions
  const request = { ...certifyRequest(authority, root, signer, now), organization, inherited }
  const remote = old.key.isRemote ? authority.remoteSigner : undefined
  let made: MadeCa
  if (remote?.makeNext === undefined || remote.adopt === undefined) {
    const key = await newKey(old, options.keyType)
    made = draw(state.records, () => makeIssuer({ ...request, key }))
  } else {
    const publicKey = await remote.makeNext(typeLike(old, options.keyType))
    made = draw(state.records, () => makeIssuerFor({ ...request, publicKey }))
    // It signs as soon as this is published.
    await remote.adopt([made.certificate, ...state.cross.map(({ certificate }) => certificate)])
  }
  const stillActive = async (transaction: Transaction<LedgerTables>): Promise<void> => {
    const row = await transaction
      .selectFrom('certificate_authority')
      .select('state')
      .where('id', '=', root.id)
      .executeTakeFirst()
    if (row?.state !== 'active') throw underway('the root has changed meanwhile')
  }
  await change(authority, 'issuer', old, made, stillActive, root.id)
}

/** A generation that was just made; without a key where that is with a signer elsewhere. */
type MadeCa = Omit<NewCa, 'key'> & { readonly key?: NewCa['key'] }

/** The whole of a rollover up to `published`: claim, key file, one transaction with everything that others see. */
async function change(
  authority: ChangingAuthority,
  kind: CaKind,
  old: CaRecord,
  made: MadeCa,
  more: (transaction: Transaction<LedgerTables>) => Promise<void>,
  parent: string | null = null,
): Promise<void> {
  const { store, folder, passphrase } = authority
  const { key } = made
  const isIssuer = kind === 'issuer' && key !== undefined
  const encryption = isIssuer ? await keyEncryption(folder, passphrase) : undefined
  // A wrong passphrase shows here, and not when the new key is needed.
  const known = authority.state.issuer.key
  if (known.isPresent) await known.anySigner()
  const now = checkedNow(authority.clock)
  const keyFile = `${made.id}.key`
  const claim = await begin(authority, kind, old, made, keyFile)
  try {
    if (key !== undefined && encryption !== undefined) {
      await writeKey(folder, keyFile, key.toPem(encryption))
    } else if (key !== undefined) {
      const sealed = sealRootKey(key, keyFile)
      await writeKey(folder, passphraseFileOf(keyFile), sealed.passphrase ?? '')
      await writeKey(folder, keyFile, sealed.key)
    }
    await store.transaction<LedgerTables, void>(async (transaction) => {
      await goOn(transaction, claim, { step: 'published', published_at: now.getTime() })
      await transaction
        .insertInto('certificate_authority')
        .values(caRow({ kind, parent, keyFile }, made, now))
        .execute()
      const { numUpdatedRows } = await transaction
        .updateTable('certificate_authority')
        .set({ state: 'superseded' })
        .where('id', '=', old.id)
        .where('state', '=', 'active')
        .executeTakeFirstOrThrow()
      if (numUpdatedRows === 0n) throw underway(`${old.id} has been replaced meanwhile`)
      await more(transaction)
      await authority.audit?.record(transaction, [
        { type: 'authority_rolled', subject: `${made.id} after ${old.id}` },
      ])
      await nextGeneration(transaction)
    })
  } catch (error) {
    // Where even this question fails the key stays: the commit may have come through, and then it is the only one.
    if (await isPublished(authority, claim)) return
    await removeKey(folder, keyFile)
    await giveUp(authority, claim)
    throw error
  }
}

/** Before any key is opened or made: a rollover of this kind that is not at its end. */
async function refuseOpen({ store }: ChangingAuthority, kind: CaKind): Promise<void> {
  const open = await store
    .database<LedgerTables>()
    .selectFrom('rollover')
    .select(['old_ca', 'new_ca'])
    .where('kind', '=', kind)
    .where('open', '=', 1)
    .where('step', '=', 'published')
    .executeTakeFirst()
  if (open !== undefined) throw notRetired(kind, open)
}

function notRetired(kind: CaKind, open: { old_ca: string; new_ca: string }): AuthorityError {
  return underway(`${open.new_ca} is new, and ${open.old_ca} not retired yet`, kind)
}

interface Claim {
  readonly id: string
  readonly owner: string
}

/** Says which generation is about to be made, and clears up after a process that said so and did not come back. */
async function begin(
  { store, folder, clock }: ChangingAuthority,
  kind: CaKind,
  old: CaRecord,
  made: MadeCa,
  keyFile: string,
): Promise<Claim> {
  const owner = randomBytes(8).toString('hex')
  const columns = {
    owner,
    old_ca: old.id,
    new_ca: made.id,
    key_file: keyFile,
    started_at: checkedNow(clock).getTime(),
  }
  try {
    const { id, abandoned } = await store.transaction<
      LedgerTables,
      { id: string; abandoned: string | undefined }
    >(async (transaction) => {
      const before = await transaction
        .selectFrom('rollover')
        .select(['id', 'step', 'old_ca', 'new_ca', 'key_file'])
        .where('kind', '=', kind)
        .where('open', '=', 1)
        .executeTakeFirst()
      if (before === undefined) {
        const row = { id: owner, kind, step: 'begun', open: 1, ...columns } as const
        await transaction
          .insertInto('rollover')
          .values({ ...row, published_at: null, retired_at: null })
          .execute()
        return { id: owner, abandoned: undefined }
      }
      if (before.step !== 'begun') {
        throw notRetired(kind, before)
      }
      await transaction.updateTable('rollover').set(columns).where('id', '=', before.id).execute()
      return { id: before.id, abandoned: before.key_file }
    })
    if (abandoned !== undefined) await removeKey(folder, abandoned)
    return { id, owner }
  } catch (error) {
    if (isUniqueViolation(error)) throw underway('another process rolls over at this moment')
    throw error
  }
}

async function goOn(
  transaction: Transaction<LedgerTables>,
  { id, owner }: Claim,
  columns: { step: 'published'; published_at: number },
): Promise<void> {
  const { numUpdatedRows } = await transaction
    .updateTable('rollover')
    .set(columns)
    .where('id', '=', id)
    .where('owner', '=', owner)
    .where('step', '=', 'begun')
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) throw underway('another process has taken this rollover over')
}

async function isPublished({ store }: ChangingAuthority, claim: Claim): Promise<boolean> {
  const row = await store
    .database<LedgerTables>()
    .selectFrom('rollover')
    .select(['owner', 'step'])
    .where('id', '=', claim.id)
    .executeTakeFirst()
  return row?.owner === claim.owner && row.step !== 'begun'
}

/** Takes the claim back, unless somebody else has taken it over. */
async function giveUp({ store }: ChangingAuthority, { id, owner }: Claim): Promise<void> {
  await store
    .database<LedgerTables>()
    .deleteFrom('rollover')
    .where('id', '=', id)
    .where('owner', '=', owner)
    .where('step', '=', 'begun')
    .execute()
}

/** Draws a name until there is none like it: two of 65,536 a year may be the same. */
function draw<T extends { readonly id: string }>(records: readonly CaRecord[], make: () => T): T {
  for (;;) {
    const made = make()
    if (!records.some(({ id }) => id === made.id)) return made
  }
}

async function newKey(before: CaRecord, type: KeyType | undefined): Promise<PrivateKey> {
  return await PrivateKey.generate(typeLike(before, type))
}

function typeLike(before: CaRecord, type: KeyType | undefined): KeyType {
  return type ?? before.certificate.publicKey.type ?? 'p256'
}

function refuseEnded({ certificate }: CaRecord, now: Date): void {
  if (now < certificate.notAfter) return
  throw new AuthorityError(
    'root-expired',
    `${certificate.subject.toString()} ended at ${certificate.notAfter.toISOString()}`,
    { hint: 'make a new authority and hand out its root; nobody trusts this one any more' },
  )
}

/** The refusal of a second rollover of a kind. */
function underway(what: string, kind?: CaKind): AuthorityError {
  return new AuthorityError('rollover-underway', what, {
    hint:
      kind === undefined
        ? 'see how far it has come: countersign roll root --status'
        : `see who still needs the one before: countersign roll ${kind} --status`,
  })
}
