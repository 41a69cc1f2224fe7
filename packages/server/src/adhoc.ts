/**
 * An authority and a certificate made on the spot, for a server that has none yet.
 *
 * Unlike the `adhoc` of other servers the certificate is valid for the names it is reached by, and verifies under a root
 * that can be handed out. The authority's key is gone as soon as it has signed: its root vouches for this server alone.
 *
 * @module
 */
import { hostname } from 'node:os'
import { checkOptions } from '@countersign/core'
import {
  buildCertificate,
  type Certificate,
  type GeneralName,
  Name,
  parseGeneralName,
  PrivateKey,
  X509Error,
} from '@countersign/x509'

/** How {@link makeAdhoc} makes its certificate. */
export interface AdhocOptions {
  /** Further names and addresses: `api.corp.internal`, `10.0.0.7`. @defaultValue none */
  names?: readonly string[] | undefined
  /** @defaultValue 30 */
  days?: number | undefined
}

/** What adhoc makes. */
export interface Adhoc {
  /** The server's certificate; its issuer is the root. */
  readonly certificates: readonly Certificate[]
  readonly key: PrivateKey
  readonly root: Certificate
}

/**
 * Makes a root, a key and a certificate for `localhost`, `127.0.0.1`, `::1`, the host, this machine's name and `names`.
 *
 * @throws X509Error `name-invalid` for one of `names`; CoreError `option-unknown`
 */
export function makeAdhoc(host: string, options: AdhocOptions = {}): Adhoc {
  checkOptions(options, ['names', 'days'], 'serve: adhoc')
  const names = generalNames(host, options.names ?? [])
  const notBefore = new Date(Date.now() - BACKDATE_MS)
  const notAfter = new Date(Date.now() + (options.days ?? DEFAULT_DAYS) * DAY_MS)
  const rootKey = PrivateKey.generateSync('p256')
  const rootName = Name.from({ commonName: `countersign adhoc root for ${hostname()}` })
  const root = buildCertificate(
    {
      subject: rootName,
      issuer: rootName,
      publicKey: rootKey.publicKey,
      notBefore,
      notAfter,
      ca: { pathLength: 0 },
      keyUsage: ['keyCertSign', 'cRLSign'],
    },
    rootKey.signer(),
  )
  const key = PrivateKey.generateSync('p256')
  const certificate = buildCertificate(
    {
      subject: Name.from({ commonName: 'countersign adhoc server' }),
      issuer: rootName,
      publicKey: key.publicKey,
      notBefore,
      notAfter,
      subjectAltNames: names,
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['serverAuth'],
      authorityKeyId: rootKey.publicKey.keyId(),
    },
    rootKey.signer(),
  )
  return { certificates: [certificate], key, root }
}

function generalNames(host: string, asked: readonly string[]): GeneralName[] {
  const found = new Map<string, GeneralName>()
  const add = (text: string): void => {
    const name = parseGeneralName(text)
    if (name.type === 'dns' || name.type === 'ip') found.set(`${name.type}:${name.value}`, name)
  }
  for (const name of ['localhost', '127.0.0.1', '::1', ...asked]) add(name)
  for (const name of [host, hostname()]) {
    // Neither was chosen as a name for a certificate: `::` is every address, and machines are called anything.
    if (name === '::' || name === '0.0.0.0') continue
    try {
      add(name)
    } catch (error) {
      if (!(error instanceof X509Error)) throw error
    }
  }
  return [...found.values()]
}

const DEFAULT_DAYS = 30
const DAY_MS = 86_400_000
/** For clients whose clock is a little behind. */
const BACKDATE_MS = 60_000
