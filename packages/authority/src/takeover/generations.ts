/**
 * Which roots and issuers an authority has that was taken over: those that were given, and what has to be made beside them.
 *
 * @module
 */
import { PrivateKey, type Certificate, type KeyType } from '@countersign/x509'
import { randomBytes } from 'node:crypto'
import { type CaKind, makeIssuer, makeRoot, type NewCa } from '../ca-certificates.ts'
import { type CaPlace, caRow } from '../ca-rows.ts'
import { AuthorityError } from '../errors.ts'
import { ISSUER_KEY_FILE, ROOT_KEY_FILE } from '../folder.ts'
import type { FoundingKeys } from '../founding.ts'
import type { LedgerTables } from '../ledger-schema.ts'
import { addressesOf } from '../public-url.ts'
import { backdate } from '../validity.ts'
import { maySignLists } from './checks.ts'
import type { TakenIssuer } from './entries.ts'

/** A certificate authority with its key. */
export interface TakenAuthority {
  readonly certificate: Certificate
  readonly key: PrivateKey
  /** The number of its newest revocation list; the next one's is above it. @defaultValue 0 */
  readonly crlNumber?: bigint | undefined
}

/** What the generations are made from. */
export interface GenerationsRequest {
  readonly root: TakenAuthority
  readonly issuer: TakenAuthority | undefined
  /** Whether the root that was taken over is the former one of a rollover, and one of ours follows it. */
  readonly hasNewRoot: boolean
  readonly organization: string
  readonly keyType: KeyType
  readonly publicUrl: string | undefined
  readonly now: Date
}

/** See the module. */
export interface Generations {
  /** Those that have issued something, whoever issued last first. */
  readonly takers: readonly [TakenIssuer, ...TakenIssuer[]]
  /** The name of the root that was taken over. */
  readonly rootId: string
  readonly keys: FoundingKeys
  /** The key of the root that signs from now on. */
  readonly rootKey: PrivateKey
  /** Roots first. */
  readonly rows: readonly LedgerTables['certificate_authority'][]
  readonly rollover: LedgerTables['rollover'] | undefined
}

/** Names what was given, and makes what is missing. */
export async function generationsOf(request: GenerationsRequest): Promise<Generations> {
  const taken = named('root', request.root)
  return request.hasNewRoot ? await belowNewRoot(request, taken) : await belowTaken(request, taken)
}

/** The root goes on, with the issuer that it has or one of ours. */
async function belowTaken(request: GenerationsRequest, root: Named): Promise<Generations> {
  const { now } = request
  const issuer =
    request.issuer === undefined
      ? named('issuer', await ownIssuer(request, root))
      : named('issuer', request.issuer)
  return {
    takers: request.issuer === undefined ? [root] : [issuer, root],
    rootId: root.id,
    keys: {
      rootsPem: root.certificate.pem,
      roots: [{ key: root.key, keyFile: ROOT_KEY_FILE }],
      issuerKey: issuer.key,
    },
    rootKey: root.key,
    rows: [
      rowOf({ kind: 'root', parent: null, keyFile: ROOT_KEY_FILE }, root, now),
      rowOf({ kind: 'issuer', parent: root.id, keyFile: ISSUER_KEY_FILE }, issuer, now),
    ],
    rollover: undefined,
  }
}

/** A root of ours takes its place; without a cross-certificate, for which there is no room below it. */
async function belowNewRoot(request: GenerationsRequest, former: Named): Promise<Generations> {
  const { organization, keyType, now } = request
  const key = await PrivateKey.generate(keyType)
  const notBefore = backdate(now)
  const made = differing(former.id, () =>
    makeRoot({ organization, key, notBefore, constraints: undefined }),
  )
  const root = { ...made, crlNumber: undefined }
  const issuer = { ...(await ownIssuer(request, root)), crlNumber: undefined }
  const formerRow = rowOf(
    { kind: 'root', parent: null, keyFile: FORMER_KEY_FILE },
    former,
    new Date(now.getTime() - 1),
  )
  const id = randomBytes(8).toString('hex')
  return {
    takers: [former],
    rootId: former.id,
    keys: {
      rootsPem: root.certificate.pem + former.certificate.pem,
      roots: [
        { key: root.key, keyFile: ROOT_KEY_FILE },
        // A key that can sign nothing more is not kept.
        ...(maySignLists(former.certificate)
          ? [{ key: former.key, keyFile: FORMER_KEY_FILE } as const]
          : []),
      ],
      issuerKey: issuer.key,
    },
    rootKey: root.key,
    rows: [
      { ...formerRow, state: 'superseded' },
      rowOf({ kind: 'root', parent: null, keyFile: ROOT_KEY_FILE }, root, now),
      rowOf({ kind: 'issuer', parent: root.id, keyFile: ISSUER_KEY_FILE }, issuer, now),
    ],
    rollover: {
      id,
      kind: 'root',
      step: 'published',
      open: 1,
      owner: id,
      old_ca: former.id,
      new_ca: root.id,
      key_file: ROOT_KEY_FILE,
      started_at: now.getTime(),
      published_at: now.getTime(),
      retired_at: null,
    },
  }
}

async function ownIssuer(
  { organization, keyType, publicUrl, now }: GenerationsRequest,
  root: Pick<Named, 'id' | 'certificate' | 'key'>,
): Promise<NewCa> {
  const { certificate } = root
  const start = backdate(now)
  return makeIssuer({
    organization,
    key: await PrivateKey.generate(keyType),
    notBefore: start < certificate.notBefore ? certificate.notBefore : start,
    constraints: undefined,
    root: certificate,
    rootSigner: root.key.signer(),
    rootAddresses: addressesOf(publicUrl, root.id),
  })
}

interface Named extends TakenIssuer {
  readonly key: PrivateKey
  readonly crlNumber: bigint | undefined
}

/** As ours are called: `root-2019-a1b2`, by its year and its fingerprint. */
function named(kind: CaKind, authority: TakenAuthority): Named {
  const { certificate, key, crlNumber } = authority
  const year = certificate.notBefore.getUTCFullYear()
  return {
    id: `${kind}-${year}-${certificate.fingerprint.slice(0, 4)}`,
    certificate,
    key,
    crlNumber,
  }
}

/** Draws until the name is another one. */
function differing(id: string, make: () => NewCa): NewCa {
  for (;;) {
    const made = make()
    if (made.id !== id) return made
  }
}

function rowOf(
  place: CaPlace,
  { id, certificate, crlNumber = 0n }: Pick<Named, 'id' | 'certificate' | 'crlNumber'>,
  now: Date,
): LedgerTables['certificate_authority'] {
  if (crlNumber > MOST_NUMBER) {
    throw new AuthorityError(
      'import-refused',
      `the number of its last revocation list, ${crlNumber}, is too large to go on from`,
      { hint: 'make a new authority, and let clients trust both roots while certificates move' },
    )
  }
  return { ...caRow(place, { id, certificate }, now), crl_number: Number(crlNumber) }
}

const FORMER_KEY_FILE = 'former.key'
/** The database counts in whole numbers that a double holds; a list every second would use up the rest in 30,000 years. */
const MOST_NUMBER = 2n ** 53n - 2n ** 40n
