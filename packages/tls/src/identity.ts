/**
 * Our own certificate and key: read, checked to belong together, and put in the order TLS sends them.
 *
 * Node drops a certificate without its key in silence (the other side then says "certificate required"), and sends a
 * chain in whatever order the file has.
 *
 * @module
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { checkOptions, errorCode, errorMessage, readBoundedFile } from '@countersign/core'
import { Certificate, PrivateKey, X509Error } from '@countersign/x509'
import { certificateTitle } from './certificate-facts.ts'
import { TlsError, type TlsErrorCode } from './errors.ts'
import type { CertificateSource, KeySource, MoreCertificate } from './context-options.ts'
import { openPkcs12 } from './pkcs12.ts'
import { isPem } from './trust-source.ts'

/** A certificate whose key we hold, and what is sent with it. */
export interface Identity {
  readonly certificate: Certificate
  /** Leaf first, each next one the issuer of the one before. */
  readonly chain: readonly Certificate[]
  readonly key: PrivateKey
}

/** The options an identity is made from. */
export interface IdentityOptions {
  pfx?: Uint8Array | string | undefined
  cert?: CertificateSource | undefined
  key?: KeySource | undefined
  passphrase?: string | undefined
}

/**
 * Reads `cert` and `key`, or `pfx`. Where `key` is left out it is looked for beside the certificate, in the same PEM.
 *
 * @returns `undefined` where none of them is given
 * @throws {@link TlsError} `cert-without-key`, `key-without-cert`, `key-mismatch`, `chain-broken`, `cert-missing`,
 * `cert-empty`, `cert-malformed`, `key-missing`, `key-malformed`, `passphrase-required`, `passphrase-wrong`, `pfx-missing`,
 * `pfx-malformed`, `pfx-legacy`, `option-invalid`
 */
export function loadIdentity(options: IdentityOptions): Identity | undefined {
  const steps = load(options)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/**
 * The same with a turn of the event loop between its steps, for a process that others wait for: opening a key takes as long as some
 * answers.
 *
 * @throws {@link TlsError} as {@link loadIdentity}
 */
export async function loadIdentityInTurns(options: IdentityOptions): Promise<Identity | undefined> {
  const steps = load(options)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
    await nextTurn()
  }
}

/**
 * Certificates of other kinds; OpenSSL keeps one of each kind, and the last of a kind would win in silence.
 *
 * @throws {@link TlsError} `cert-missing`, `option-invalid`, and as {@link loadIdentity}
 */
export function moreIdentities(
  moreCertificates: readonly MoreCertificate[],
  first: Identity | undefined,
): Identity[] {
  if (moreCertificates.length === 0) return []
  if (first === undefined) {
    throw new TlsError('cert-missing', 'moreCertificates stand beside cert and key', {
      source: 'moreCertificates',
      hint: 'pass the first of them as `cert` and `key`',
    })
  }
  const kinds = new Set([first.certificate.publicKey.keyObject.asymmetricKeyType])
  return moreCertificates.map((one) => {
    checkOptions(one, ['cert', 'key', 'passphrase'], 'moreCertificates')
    const identity = loadIdentity(one)
    const kind = identity?.certificate.publicKey.keyObject.asymmetricKeyType
    if (identity === undefined || kinds.has(kind)) {
      throw new TlsError(
        'option-invalid',
        identity === undefined
          ? 'moreCertificates has a member without cert'
          : `moreCertificates has a second certificate of the kind ${kind ?? 'unknown'}`,
        { source: 'moreCertificates', hint: 'one certificate of each kind: ECDSA, RSA, ML-DSA' },
      )
    }
    kinds.add(kind)
    return identity
  })
}

function* load(options: IdentityOptions): Generator<undefined, Identity | undefined> {
  if (options.pfx !== undefined) return loadBundle(options.pfx, options)
  if (options.cert === undefined) {
    if (options.key === undefined) return undefined
    throw new TlsError('key-without-cert', 'option key is given without option cert', {
      source: 'key',
      hint: 'pass the certificate of this key as `cert`',
    })
  }
  const material = read(options.cert, 'cert')
  const certificates = certificatesOf(material)
  yield
  const key = loadKey(options, material)
  yield
  return identityOf(certificates, key, material)
}

function loadBundle(pfx: Uint8Array | string, options: IdentityOptions): Identity {
  if (options.cert !== undefined || options.key !== undefined) {
    throw new TlsError('option-invalid', 'option pfx stands instead of cert and key, not beside', {
      source: 'pfx',
    })
  }
  const { certificate, chain, key } = openPkcs12(pfx, options.passphrase)
  const name = 'option pfx'
  if (key === undefined || certificate === undefined) {
    const [code, lacks]: [TlsErrorCode, string] =
      key === undefined ? ['cert-without-key', 'private key'] : ['key-without-cert', 'certificate']
    throw new TlsError(code, `${name} holds no ${lacks}`, {
      source: 'pfx',
      hint: 'export both together: openssl pkcs12 -export -in CERT -inkey KEY -out NEW.p12',
    })
  }
  return identityOf([certificate, ...chain], key, { name })
}

function identityOf(
  certificates: readonly Certificate[],
  key: PrivateKey,
  material: Material,
): Identity {
  const leaf = certificates
    .filter((certificate) => certificate.publicKey.equals(key.publicKey))
    .toSorted((a, b) => b.notAfter.getTime() - a.notAfter.getTime())[0]
  if (leaf === undefined) throw mismatch(certificates, material)
  return { certificate: leaf, chain: ordered(leaf, certificates, material.name), key }
}

/** The leaf, its issuer, the issuer's issuer; every certificate given must have its place. */
function ordered(leaf: Certificate, given: readonly Certificate[], name: string): Certificate[] {
  const chain = [leaf]
  let rest = unique(given).filter((certificate) => certificate.fingerprint !== leaf.fingerprint)
  for (;;) {
    // A cross-signed issuer comes twice; both belong to the chain.
    const next = rest.filter((candidate) =>
      chain.some((certificate) => certificate.issuedBy(candidate)),
    )
    if (next.length === 0) break
    chain.push(...next)
    rest = rest.filter((certificate) => !next.includes(certificate))
  }
  const stray = rest[0]
  if (stray === undefined) return chain
  throw new TlsError(
    'chain-broken',
    `${name} holds ${certificateTitle(stray)}, which issued no certificate of the chain of ${certificateTitle(leaf)}`,
    {
      source: 'cert',
      hint: 'the file should hold the certificate, then its intermediates, and nothing else',
    },
  )
}

function loadKey(options: IdentityOptions, certificate: Material): PrivateKey {
  if (options.key instanceof PrivateKey) return options.key
  const material = options.key === undefined ? certificate : read(options.key, 'key')
  const { data, name } = material
  if (data === undefined || (options.key === undefined && !holdsKey(material))) {
    throw new TlsError('cert-without-key', `${name} is given without its private key`, {
      source: 'key',
      path: material.path,
      hint: 'pass the key as `key`, or put both into one PEM file',
    })
  }
  try {
    return PrivateKey.parse(data, { passphrase: options.passphrase, source: name })
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    throw new TlsError(KEY_FAULTS.get(error.code) ?? 'key-malformed', error.message, {
      source: 'key',
      path: material.path,
      hint: error.code === 'passphrase-missing' ? 'pass it as `passphrase`' : error.hint,
      cause: error,
    })
  }
}

function certificatesOf(material: Material): Certificate[] {
  const { name, path: file, data } = material
  if (material.certificates !== undefined && material.certificates.length > 0) {
    return [...material.certificates]
  }
  if (data !== undefined) {
    try {
      return Certificate.parseAll(data, name)
    } catch (error) {
      if (!(error instanceof X509Error)) throw error
      if (error.code !== 'certificate-missing') {
        throw new TlsError('cert-malformed', error.message, {
          source: 'cert',
          path: file,
          cause: error,
          hint: 'give a path, PEM text that begins with -----BEGIN CERTIFICATE-----, or DER bytes',
        })
      }
    }
  }
  throw new TlsError('cert-empty', `${name} holds no certificate`, {
    source: 'cert',
    path: file,
    hint: 'give a PEM file that holds the certificate, leaf first, then its intermediates',
  })
}

/** What an option came to: values, or bytes with the name a message gives them. */
interface Material {
  readonly name: string
  readonly path?: string | undefined
  readonly data?: string | Uint8Array | undefined
  readonly certificates?: readonly Certificate[] | undefined
}

function read(
  source: CertificateSource | Exclude<KeySource, PrivateKey>,
  option: 'cert' | 'key',
): Material {
  const name = `option ${option}`
  if (source instanceof Certificate) return { name, certificates: [source] }
  if (source instanceof Uint8Array) return { name, data: nonEmpty(source, name, option) }
  if (typeof source === 'string') {
    if (isPem(source)) return { name, data: source }
    nonEmpty(source, name, option)
    return readMaterialFile(source, option)
  }
  return { name, certificates: source }
}

function readMaterialFile(file: string, option: 'cert' | 'key'): Material {
  const name = `option ${option}: ${file}`
  let data: Uint8Array
  try {
    data = readBoundedFile(file)
  } catch (error) {
    const code = errorCode(error)
    const missing: TlsErrorCode = option === 'cert' ? 'cert-missing' : 'key-missing'
    throw new TlsError(
      missing,
      code === 'ENOENT'
        ? `option ${option}: there is no file ${file.slice(0, LONGEST_PATH)}`
        : `option ${option}: cannot read ${file.slice(0, LONGEST_PATH)}: ${errorMessage(error)}`,
      {
        source: option,
        path: file.slice(0, LONGEST_PATH),
        nodeCode: code,
        cause: error,
        hint: 'give the path of a PEM or DER file, or the PEM text itself',
      },
    )
  }
  return { name, path: file, data: nonEmpty(data, name, option) }
}

function nonEmpty<T extends string | Uint8Array>(data: T, name: string, option: 'cert' | 'key'): T {
  if (data.length > 0) return data
  throw new TlsError(option === 'cert' ? 'cert-empty' : 'key-malformed', `${name} is empty`, {
    source: option,
    hint: `leave it out, or give the ${option === 'cert' ? 'certificate' : 'private key'}`,
  })
}

function holdsKey({ data }: Material): boolean {
  const text = data === undefined ? undefined : pemText(data)
  return text !== undefined && /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
}

function pemText(data: string | Uint8Array): string | undefined {
  if (!isPem(data)) return undefined
  return typeof data === 'string' ? data : new TextDecoder().decode(data)
}

function mismatch(certificates: readonly Certificate[], material: Material): TlsError {
  const titles = certificates.map((certificate) => certificateTitle(certificate)).join(', ')
  return new TlsError('key-mismatch', `the key does not belong to the certificate (${titles})`, {
    source: 'key',
    path: material.path,
    hint: 'use the key the certificate was requested with, or issue a new pair: countersign issue NAME',
  })
}

function unique(certificates: readonly Certificate[]): Certificate[] {
  return [...new Map(certificates.map((one) => [one.fingerprint, one])).values()]
}

const LONGEST_PATH = 200

const KEY_FAULTS: ReadonlyMap<string, TlsErrorCode> = new Map([
  ['passphrase-missing', 'passphrase-required'],
  ['passphrase-wrong', 'passphrase-wrong'],
])
