/**
 * Makes an authority: keys first, staged in the folder; then the database says that it is the one; then the files take
 * their names. Killed at any point, the next `init` or `open` finishes or clears up.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { Store } from '@countersign/store'
import { PrivateKey } from '@countersign/x509'
import { makeIssuer, makeRoot, type NewCa } from './ca-certificates.ts'
import { caRow, firstListRow } from './ca-rows.ts'
import { constrainedSpace } from './constraints.ts'
import type { OpenedAuthority } from './authority.ts'
import { AuthorityError } from './errors.ts'
import { ISSUER_KEY_FILE, ROOT_KEY_FILE } from './folder.ts'
import {
  authorityRow,
  found,
  type FoundingPlan,
  prepareFounding,
  readFounding,
} from './founding.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { describeNameSpace } from './name-space.ts'
import { OPEN_OPTIONS, openWith } from './open.ts'
import { addressesOf } from './public-url.ts'
import { signCrl } from './sign-crl.ts'
import type { Authority, InitAuthorityOptions, SignedCrl } from './types.ts'
import { backdate } from './validity.ts'

/**
 * Makes root and issuer, and opens the authority. In the folder are then `roots.pem`, `root.key`, `issuer.key` and, where no
 * passphrases were given, `passphrase` and `root.passphrase`. Of two that try at once one is refused.
 *
 * @throws {@link AuthorityError} `already-initialised` where the database has an authority, `folder-foreign` where the folder
 *   has keys of another, `key-exists` where `rootKeyFile` is there, `option-invalid`, `constraint-invalid`, `clock-wrong`; CoreError `option-unknown`,
 *   `file-write-failed`, `folder-not-private`; StoreError
 */
export async function initAuthority(options: InitAuthorityOptions): Promise<Authority> {
  const plan = readOptions(options)
  const { store, folder } = options
  await prepareFounding(store, folder)
  const { root, issuer, rootCrl } = await makeAuthority(plan)
  const { certificate, key } = root
  const roots = { rootsPem: certificate.pem, roots: [{ key, keyFile: ROOT_KEY_FILE }] } as const
  await found(options, { ...roots, issuerKey: issuer.key }, async (id) =>
    record(store, id, plan, { root, issuer, rootCrl }),
  )
  return await openWith(options)
}

/**
 * Opens the authority, or makes it where there is none.
 *
 * @throws {@link AuthorityError} `settings-differ` where the one that is there has other constraints or another trust domain
 *   than the options ask for; and as {@link initAuthority} and {@link openAuthority}
 */
export async function createAuthority(options: InitAuthorityOptions): Promise<Authority> {
  readOptions(options)
  try {
    return refuseOtherSettings(await openWith(options), options)
  } catch (error) {
    if (!(error instanceof AuthorityError) || error.code !== 'not-initialised') throw error
  }
  try {
    return await initAuthority(options)
  } catch (error) {
    if (!(error instanceof AuthorityError) || error.code !== 'already-initialised') throw error
    // Another process was quicker.
    return refuseOtherSettings(await openWith(options), options)
  }
}

interface Made {
  readonly root: NewCa
  readonly issuer: NewCa
  readonly rootCrl: SignedCrl
}

function readOptions(options: InitAuthorityOptions): FoundingPlan {
  checkOptions(options, INIT_OPTIONS, 'initAuthority')
  const { constrain } = options
  const plan = readFounding(options, 'Countersign')
  if (constrain !== undefined) constrainedSpace(constrain, plan.trustDomain)
  return { ...plan, constrain }
}

/** Whoever asks for constraints must not be handed an authority without them. */
function refuseOtherSettings(authority: OpenedAuthority, options: InitAuthorityOptions): Authority {
  const { constrain, trustDomain } = options
  if (trustDomain !== undefined && trustDomain !== authority.trustDomain) {
    throw differs('trust domain', authority.trustDomain)
  }
  if (constrain !== undefined) {
    const asked = describeNameSpace(constrainedSpace(constrain, authority.trustDomain))
    const present =
      authority.constraints === undefined ? 'none' : describeNameSpace(authority.constraints)
    if (asked !== present) throw differs('constraints', present)
  }
  return authority
}

function differs(what: string, present: string): AuthorityError {
  return new AuthorityError('settings-differ', `the authority has other ${what}: ${present}`, {
    hint: 'they are part of the root for good: leave the option out, or make another authority',
  })
}

async function makeAuthority(plan: FoundingPlan): Promise<Made> {
  const { organization, keyType, constrain, trustDomain, publicUrl, now } = plan
  const constraints = constrain === undefined ? undefined : constrainedSpace(constrain, trustDomain)
  const notBefore = backdate(now)
  const [rootKey, issuerKey] = await Promise.all([
    PrivateKey.generate(keyType),
    PrivateKey.generate(keyType),
  ])
  const root = makeRoot({ organization, key: rootKey, notBefore, constraints })
  const issuer = makeIssuer({
    organization,
    key: issuerKey,
    notBefore,
    constraints,
    root: root.certificate,
    rootSigner: rootKey.signer(),
    rootAddresses: addressesOf(publicUrl, root.id),
  })
  const rootCrl = signCrl({ ...root, kind: 'root' }, rootKey.signer(), 1, now, [])
  return { root, issuer, rootCrl }
}

/** One transaction; the single row of `authority` lets one of two through. */
async function record(store: Store, id: string, plan: FoundingPlan, made: Made): Promise<void> {
  const { root, issuer, rootCrl } = made
  await store.transaction<LedgerTables, void>(async (transaction) => {
    await transaction.insertInto('authority').values(authorityRow(id, plan)).execute()
    await transaction
      .insertInto('certificate_authority')
      .values([
        caRow({ kind: 'root', parent: null, keyFile: ROOT_KEY_FILE }, root, plan.now),
        caRow({ kind: 'issuer', parent: root.id, keyFile: ISSUER_KEY_FILE }, issuer, plan.now),
      ])
      .execute()
    await transaction.insertInto('revocation_list').values(firstListRow(rootCrl)).execute()
  })
}

const INIT_OPTIONS = [
  ...OPEN_OPTIONS,
  'organization',
  'keyType',
  'constrain',
  'trustDomain',
  'rootPassphrase',
  'rootKeyFile',
] as const
