/**
 * Every profile with every type of key: what is issued, who is asked about it, and who cannot know better than to refuse. The tables of
 * `docs/reference/compatibility.md` are printed from here.
 *
 * @module
 */
import type { ProfileName } from '@countersign/authority'
import { KEY_TYPES, type KeyType } from '@countersign/x509'

/** One certificate of the matrix. */
export interface Cell {
  readonly id: string
  readonly profile: ProfileName
  /** Of the certificate's own key. */
  readonly leaf: KeyType
  /** Of root and issuer. */
  readonly authority: KeyType
}

/** What a client is asked about a certificate. */
export interface Question {
  readonly cell: Cell
  /** What the certificate is shown as. */
  readonly purpose: 'server' | 'client'
  /** Whom the client wants to reach. */
  readonly host: string
}

/** A program that judges certificates, as measured. */
export interface Client {
  readonly id: 'node' | 'openssl' | 'python' | 'java' | 'gnutls' | 'nss' | 'chromium'
  /** With the version that the tables speak of. */
  readonly title: string
  /** The types of leaf keys that it does not know. */
  readonly noLeaf: readonly KeyType[]
  /** The types of leaf keys whose chains it judges, and whose signatures in a handshake it cannot. */
  readonly chainOnly?: readonly KeyType[]
  /** Whether a client's leaf key is not looked at. */
  readonly skipsClientKeys?: true
  /** The types of authorities' keys that it does not know. */
  readonly noAuthority: readonly KeyType[]
  /** Why. */
  readonly reason: string
}

/** In every certificate for a server. */
export const HOST = 'api.corp.internal'
/** In none. */
export const OTHER_HOST = 'other.corp.internal'

const PROFILES = ['server', 'client', 'both'] as const
const ML_DSA = KEY_TYPES.filter((type) => type.startsWith('ml-dsa'))

/** Leaves of every type under P-256, and P-256 leaves under authorities of every type. */
export const CELLS: readonly Cell[] = [
  ...KEY_TYPES.map((leaf) => ({ leaf, authority: 'p256' as const })),
  ...KEY_TYPES.slice(1).map((authority) => ({ leaf: 'p256' as const, authority })),
].flatMap((keys) =>
  PROFILES.map((profile) => ({
    ...keys,
    profile,
    id: `${keys.leaf}-${profile}-under-${keys.authority}`,
  })),
)

/** Every certificate as a server's and as a client's: where its profile is another, that is the twin to be refused. */
export const QUESTIONS: readonly Question[] = CELLS.flatMap((cell) => [
  { cell, purpose: 'server', host: HOST },
  { cell, purpose: 'client', host: HOST },
])
/** Under another name. */
export const MISNAMED: readonly Question[] = CELLS.filter(
  ({ leaf, authority, profile }) => leaf === authority && profile !== 'client',
).map((cell) => ({ cell, purpose: 'server', host: OTHER_HOST }))

/** Every client. */
export const CLIENTS: readonly Client[] = [
  { id: 'node', title: 'Node 24', noLeaf: [], noAuthority: [], reason: '' },
  {
    id: 'openssl',
    title: 'OpenSSL 3.0 strict',
    noLeaf: ML_DSA,
    noAuthority: ML_DSA,
    reason: 'ML-DSA came with OpenSSL 3.5',
  },
  {
    id: 'python',
    title: 'Python 3.13 strict',
    noLeaf: ML_DSA,
    noAuthority: ML_DSA,
    reason: 'its OpenSSL is 3.0; with 3.5 it knows ML-DSA',
  },
  {
    id: 'java',
    title: 'Java 17',
    noLeaf: [],
    noAuthority: ML_DSA,
    chainOnly: ML_DSA,
    reason: 'ML-DSA came with Java 24',
  },
  {
    id: 'gnutls',
    title: 'GnuTLS 3.7',
    noLeaf: [],
    noAuthority: ML_DSA,
    chainOnly: ML_DSA,
    reason: 'it knows no ML-DSA',
  },
  {
    id: 'nss',
    title: 'NSS 3.87',
    noLeaf: ['ed25519', ...ML_DSA],
    noAuthority: ['ed25519', ...ML_DSA],
    skipsClientKeys: true,
    reason: 'it knows neither Ed25519 nor ML-DSA; of a client it finds the chain good all the same',
  },
  {
    id: 'chromium',
    title: 'Chromium 156',
    noLeaf: ['ed25519'],
    noAuthority: ['ed25519', ...ML_DSA],
    reason:
      'Ed25519 is not among its signatures; roots of Ed25519 and ML-DSA are not stored by NSS, which keeps them on Linux',
  },
]

/**
 * Whether a client should accept.
 *
 * @param known - what this installation says it knows, which may be more than the measured one did
 */
export function isExpected(client: Client, question: Question, known: readonly string[]): boolean {
  const { cell, purpose, host } = question
  const lacks = (types: readonly KeyType[], type: KeyType): boolean =>
    types.includes(type) && !known.includes(type)
  return (
    (cell.profile === purpose || cell.profile === 'both') &&
    host === HOST &&
    !(lacks(client.noLeaf, cell.leaf) && !(client.skipsClientKeys && purpose === 'client')) &&
    !lacks(client.noAuthority, cell.authority)
  )
}

/** The tables of the reference. */
export function compatibilityTables(): string {
  const table = (
    heading: string,
    lacked: (client: Client) => readonly KeyType[],
    judged: (client: Client) => readonly KeyType[],
  ): string[] => [
    `| ${[heading, ...CLIENTS.map(({ title }) => title)].join(' | ')} |`,
    `| ${['---', ...CLIENTS.map(() => '---')].join(' | ')} |`,
    ...KEY_TYPES.map((type) => {
      const answers = CLIENTS.map((client) => {
        if (lacked(client).includes(type)) return '**no**'
        return judged(client).includes(type) ? 'chain' : 'yes'
      })
      return `| ${[`\`${type}\``, ...answers].join(' | ')} |`
    }),
  ]
  return [
    ...table(
      'key of the leaf',
      ({ noLeaf }) => noLeaf,
      ({ chainOnly = [] }) => chainOnly,
    ),
    '',
    ...table(
      'keys of the authority',
      ({ noAuthority }) => noAuthority,
      () => [],
    ),
    '',
    ...CLIENTS.filter(({ reason }) => reason !== '').map(
      ({ title, reason }) => `- ${title}: ${reason}.`,
    ),
  ].join('\n')
}
