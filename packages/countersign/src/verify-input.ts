/**
 * What `countersign verify` is given: a file of certificates in any form, and what else stands on its command line.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import type { Certificate, Name, ReferenceName } from '@countersign/x509'
import { InvalidArgumentError } from 'commander'
import { ProgramError } from './errors.ts'
import { readGivenFile } from './given-file.ts'
import { readSecretFile } from './open-data.ts'
import { shellWord } from './shell.ts'

/** The certificate in question, and whatever else its file holds. */
export interface GivenChain {
  leaf: Certificate
  intermediates: readonly Certificate[]
}

/**
 * Reads the file: PEM of one or more in any order, DER, or PKCS#12.
 *
 * @param passwordFile - of a PKCS#12 file
 * @throws {@link ProgramError} `file-unreadable`, `usage` where it holds several leaves; X509Error for what is no certificate
 */
export async function readChain(file: string, passwordFile?: string): Promise<GivenChain> {
  const { Certificate: Reader } = await import('@countersign/x509')
  const bytes = readGivenFile(file)
  if (isPkcs12(bytes)) return await readPkcs12(bytes, file, passwordFile)
  if (bytes[0] === 0x30) await refuseOtherDer(bytes, file)
  return sortOut(Reader.parseAll(bytes, file), file)
}

/** Certificates of further files, for `--intermediates`. */
export async function readCertificates(files: readonly string[]): Promise<Certificate[]> {
  const { Certificate: Reader } = await import('@countersign/x509')
  return files.flatMap((file) => Reader.parseAll(readGivenFile(file), file))
}

/** Reads `--name`: a host, an address with or without brackets, or an e-mail address. */
export function readName(text: string): ReferenceName {
  const bare = text.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) !== 0) return { ip: bare }
  if (/^[^\s@]+@[^\s@]+$/.test(text)) return { email: text }
  if (/^[^\s@/:?#*]+$/.test(text)) return { dns: text }
  throw new InvalidArgumentError('Give a host name, an IP address or an e-mail address.')
}

/** Reads `--time`: a day, or a day and a time with its zone. */
export function readTime(text: string): Date {
  const time = new Date(text)
  if (ISO.test(text) && !Number.isNaN(time.getTime()) && isDay(text.slice(0, 10))) return time
  throw new InvalidArgumentError('Write 2026-11-22, or 2026-11-22T14:30:00Z.')
}

/** Whether the calendar has it: `Date` takes the 30th of February for the 2nd of March. */
function isDay(day: string): boolean {
  return new Date(day).toISOString().startsWith(day)
}

/** The one that is no authority; a file of several such is a mistake, for only one would be looked at. */
function sortOut(all: readonly Certificate[], file: string): GivenChain {
  // A file may hold very many: nothing is compared with everything else.
  const different = [...new Map(all.map((one) => [one.fingerprint, one])).values()]
  const issuers = new Set(
    different.flatMap((one) => (one.isSelfIssued ? [] : [encoded(one.issuer)])),
  )
  const leaves = different.filter((one) => !one.isCa && !issuers.has(encoded(one.subject)))
  const [leaf = different[0], ...more] = leaves
  if (leaf === undefined) throw new ProgramError('file-unreadable', `${file} holds no certificate`)
  if (more.length > 0) {
    const names = [leaf, ...more].map(titleOf)
    throw new ProgramError('usage', `${file} holds ${names.length} leaves: ${listed(names)}`, {
      hint: 'verify them one at a time: put each into a file of its own, with its intermediates',
    })
  }
  return { leaf, intermediates: different.filter((one) => one !== leaf) }
}

function encoded({ der }: Name): string {
  return Buffer.from(der).toString('latin1')
}

function titleOf({ subject, subjectAltNames, serialNumber }: Certificate): string {
  if (!subject.isEmpty) return subject.toString()
  const [name] = subjectAltNames
  return name !== undefined && typeof name.value === 'string'
    ? name.value
    : `serial ${serialNumber}`
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 4).join(', ')
  return names.length > 4 ? `${shown} and ${names.length - 4} more` : shown
}

/** A bundle begins with its version, 3; a certificate with another sequence. */
function isPkcs12(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x30) return false
  const length = bytes[1] ?? 0
  const start = length < 0x80 ? 2 : 2 + (length & 0x7f)
  return bytes[start] === 0x02 && bytes[start + 1] === 0x01 && bytes[start + 2] === 0x03
}

async function readPkcs12(
  bytes: Uint8Array,
  file: string,
  passwordFile: string | undefined,
): Promise<GivenChain> {
  const { decodePkcs12, X509Error } = await import('@countersign/x509')
  const password = passwordFile === undefined ? '' : readSecretFile(passwordFile, 'password')
  try {
    const { certificate, chain } = decodePkcs12(bytes, password, file)
    if (certificate !== undefined) return { leaf: certificate, intermediates: chain }
  } catch (error) {
    if (!(error instanceof X509Error) || error.code !== 'passphrase-wrong') throw error
    if (passwordFile !== undefined) {
      throw new X509Error(error.code, `the password in ${passwordFile} does not open ${file}`, {
        hint: 'give the file with the password of this bundle on its first line',
        cause: error,
      })
    }
    // `countersign issue --p12` writes it beside.
    const beside = existsSync(`${file}.password`) ? `${file}.password` : 'PASSWORD_FILE'
    throw new ProgramError('usage', `${file} is PKCS#12 and protected by a password`, {
      hint: `name the file of the password: countersign verify ${shellWord(file)} --password-file ${shellWord(beside)}`,
      cause: error,
    })
  }
  throw new ProgramError('file-unreadable', `${file} is PKCS#12 and holds no certificate`)
}

/** PEM says what it is; of DER only the words "malformed" would be left. */
async function refuseOtherDer(bytes: Uint8Array, file: string): Promise<void> {
  const {
    Certificate: Reader,
    CertificateRequest,
    CertificateRevocationList,
    PrivateKey,
    X509Error,
  } = await import('@countersign/x509')
  const isOne = (read: () => unknown): boolean => {
    try {
      read()
      return true
    } catch (error) {
      if (!(error instanceof X509Error)) throw error
      return false
    }
  }
  if (isOne(() => Reader.parse(bytes, file))) return
  const kinds: readonly [string, () => unknown][] = [
    ['a certificate request', () => CertificateRequest.parse(bytes)],
    ['a private key', () => PrivateKey.parse(bytes)],
    ['a revocation list', () => CertificateRevocationList.parse(bytes)],
  ]
  const [kind] = kinds.find(([, read]) => isOne(read)) ?? []
  if (kind === undefined) return
  throw new ProgramError('file-unreadable', `${file} is ${kind}, not a certificate`)
}

const ISO = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/
