/**
 * A certificate handed over as files: `NAME.crt` (leaf, then issuer, then what leads from a former root), `NAME.key`, `roots.pem`, `NAME.p12`.
 *
 * @module
 */
import {
  checkOptions,
  CoreError,
  errorMessage,
  makeFolder,
  writeFileAtomic,
} from '@countersign/core'
import { Certificate, encodePkcs12, PrivateKey, type PublicKey, X509Error } from '@countersign/x509'
import { createHash } from 'node:crypto'
import path from 'node:path'
import { AuthorityError } from './errors.ts'
import { readOptional } from './folder.ts'
import type { Issued } from './issue-types.ts'
import type { Authority } from './types.ts'

/** What {@link writeIdentity} writes. */
export interface IdentityOptions {
  /** What the other side's certificates are checked against: `authority.roots`. */
  roots: readonly Certificate[]
  /** What was trusted once, and may be dropped from `roots.pem`: `authority.formerRoots`. @defaultValue none */
  formerRoots?: readonly Certificate[] | undefined
  /** Absent where the owner of the key made a signing request. */
  key?: PrivateKey | undefined
  /** Writes a PKCS #12 file as well, under this password. Needs `key`. */
  p12Password?: string | undefined
  /** Writes it for programs that know nothing newer than triple DES and SHA-1. Needs `p12Password`. @defaultValue false */
  p12Legacy?: boolean | undefined
  /** Whether a key and roots that are there may be replaced. @defaultValue false */
  overwrite?: boolean | undefined
}

/** Where things are. */
export interface IdentityFiles {
  readonly certificate: string
  readonly key: string | undefined
  readonly roots: string
  readonly p12: string | undefined
}

/**
 * Writes a certificate and what belongs to it; each file is whole or not there, and the key comes first, so that no
 * certificate stands without its key. The folder is made where it is missing.
 *
 * @param name - what the files are called after; made safe by {@link identityFileName}
 * @throws {@link AuthorityError} `key-exists` where `NAME.key` holds another key, `roots-differ` where `roots.pem` holds a
 *   root that would be lost, `option-invalid`; CoreError `file-write-failed`, `option-unknown`
 */
export async function writeIdentity(
  folder: string,
  name: string,
  issued: Pick<Issued, 'chain'>,
  options: IdentityOptions,
): Promise<IdentityFiles> {
  checkOptions(options, IDENTITY_OPTIONS, 'writeIdentity')
  const { roots, formerRoots = [], key, p12Password, p12Legacy, overwrite = false } = options
  const [leaf, ...above] = issued.chain
  if (p12Password !== undefined && key === undefined) {
    throw new AuthorityError('option-invalid', 'a PKCS #12 file holds a key, and there is none', {
      hint: 'only the owner of the key of a signing request can make one',
    })
  }
  if (p12Legacy === true && p12Password === undefined) {
    throw new AuthorityError('option-invalid', 'p12Legacy needs p12Password')
  }
  if (p12Password === '')
    throw new AuthorityError('option-invalid', 'p12Password must not be empty')
  makeIdentityFolder(folder)
  const base = path.join(folder, identityFileName(name))
  const files = {
    certificate: `${base}.crt`,
    key: key === undefined ? undefined : `${base}.key`,
    roots: path.join(folder, 'roots.pem'),
    p12: p12Password === undefined ? undefined : `${base}.p12`,
  }
  const keyPem = key?.toPem()
  if (!overwrite) {
    await refuseOtherKey(`${base}.key`, keyPem, leaf.publicKey)
    await refuseLostRoots(files.roots, [...roots, ...formerRoots])
  }
  if (files.key !== undefined && keyPem !== undefined) await writeFileAtomic(files.key, keyPem)
  await writeFileAtomic(files.certificate, pemOf(issued.chain), {
    mode: 0o644,
  })
  await writeFileAtomic(files.roots, pemOf(roots), { mode: 0o644 })
  if (files.p12 !== undefined && key !== undefined && p12Password !== undefined) {
    const bundle = encodePkcs12({
      certificate: leaf,
      chain: [...above, ...roots],
      key,
      password: p12Password,
      friendlyName: name,
      legacy: p12Legacy,
    })
    await writeFileAtomic(files.p12, bundle)
  }
  return files
}

/**
 * Brings a `roots.pem` that was handed over to what clients trust now, while roots change. A file that holds any other root is
 * somebody else's, and stays as it is.
 *
 * @param authority - whose roots
 * @returns whether it was changed
 * @throws CoreError `file-write-failed`
 */
export async function updateRoots(
  file: string,
  { roots, formerRoots }: Pick<Authority, 'roots' | 'formerRoots'>,
): Promise<boolean> {
  const present = await readOptional(file)
  const wanted = pemOf(roots)
  if (present === undefined || present === wanted) return false
  const own = new Set([...roots, ...formerRoots].map(({ fingerprint }) => fingerprint))
  const held = readCertificates(present, file)
  const now = new Set(held.map(({ fingerprint }) => fingerprint))
  const isSame = roots.length === now.size && roots.every((root) => now.has(root.fingerprint))
  if (isSame || held.length === 0 || held.some(({ fingerprint }) => !own.has(fingerprint)))
    return false
  await writeFileAtomic(file, wanted, { mode: 0o644 })
  return true
}

/**
 * The name of a file for a name of any kind: a star becomes `_wildcard`, every character that a file system or a shell
 * could misread becomes `_`.
 *
 * | name | file |
 * | --- | --- |
 * | `api.corp.internal` | `api.corp.internal` |
 * | `*.corp.internal` | `_wildcard.corp.internal` |
 * | `fd00::1` | `fd00__1` |
 * | `spiffe://corp.internal/api` | `spiffe___corp.internal_api` |
 * | `ann@corp.internal` | `ann@corp.internal` |
 */
export function identityFileName(name: string): string {
  const safe = name
    .replace(/^\*/, '_wildcard')
    .replace(/[^A-Za-z0-9._@-]/g, '_')
    // Neither hidden nor an option, and nothing that Windows drops.
    .replace(/^[.-]/, '_')
    .replace(/\.$/, '_')
  const usable = DEVICES.test(safe) || safe === '' ? `_${safe}` : safe
  if (usable.length <= LONGEST_NAME) return usable
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16)
  return `${usable.slice(0, LONGEST_NAME - 17)}-${digest}`
}

async function refuseOtherKey(
  file: string,
  keyPem: string | undefined,
  certified: PublicKey,
): Promise<void> {
  const present = await readOptional(file)
  if (present === undefined || present === keyPem) return
  // Beside a signing request stands its key, which is not written: only another one would not fit.
  if (keyPem === undefined && holdsKeyOf(present, certified)) return
  throw new AuthorityError(
    'key-exists',
    keyPem === undefined
      ? `${file} is there, and the certificate is for another key`
      : `${file} holds another key`,
    { hint: 'choose another folder, or move the key away; no file was changed' },
  )
}

/** Whether a key file holds the key of a certificate; one that is encrypted is taken for it. */
function holdsKeyOf(pem: string, certified: PublicKey): boolean {
  try {
    return PrivateKey.parse(pem).publicKey.equals(certified)
  } catch (error) {
    if (error instanceof X509Error) return error.code === 'passphrase-missing'
    throw error
  }
}

/** Makes the folder of the files. @throws CoreError `file-write-failed` */
export function makeIdentityFolder(folder: string): void {
  try {
    makeFolder(folder)
  } catch (error) {
    throw new CoreError('file-write-failed', `cannot make ${folder}: ${errorMessage(error)}`, {
      hint: 'choose a folder that you can write to',
      cause: error,
    })
  }
}

/** Refuses to replace `roots.pem` where a root in it would be lost. @throws {@link AuthorityError} `roots-differ` */
export async function refuseLostRoots(file: string, roots: readonly Certificate[]): Promise<void> {
  const present = await readOptional(file)
  if (present === undefined) return
  const kept = new Set(roots.map((root) => root.fingerprint))
  const lost = Certificate.parseAll(present, file).find((root) => !kept.has(root.fingerprint))
  if (lost === undefined) return
  throw new AuthorityError(
    'roots-differ',
    `${file} holds ${lost.subject.toString()}, which is not of this authority`,
    {
      hint: 'choose another folder, or move the file away; nothing was changed',
    },
  )
}

/** None where it cannot be read. */
function readCertificates(pem: string, file: string): Certificate[] {
  try {
    return Certificate.parseAll(pem, file)
  } catch (error) {
    if (error instanceof X509Error) return []
    throw error
  }
}

function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ pem }) => pem).join('')
}

const IDENTITY_OPTIONS = [
  'roots',
  'formerRoots',
  'key',
  'p12Password',
  'p12Legacy',
  'overwrite',
] as const
/** Names that Windows takes for devices, with any ending. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i
/** File names hold 255 bytes nearly everywhere, and the temporary file's name is 22 longer. */
const LONGEST_NAME = 200
