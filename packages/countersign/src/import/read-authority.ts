/**
 * Reads the files of another authority: certificates, keys, what was issued and revoked.
 *
 * @module
 */
import { errorMessage, readBoundedFile } from '@countersign/core'
import {
  type IndexLine,
  parseOpensslIndex,
  type TakenAuthority,
  type TakenCertificate,
} from '@countersign/authority'
import { Certificate, CertificateRevocationList } from '@countersign/x509'
import { ProgramError } from '../errors.ts'
import { type AuthorityFiles, certificateFiles } from './layout.ts'
import { readTakenKey } from './read-key.ts'

/** What was read. */
export interface ReadAuthority {
  readonly root: TakenAuthority
  readonly issuer: TakenAuthority | undefined
  readonly issued: readonly TakenCertificate[]
}

/** Where the passphrases are. */
export interface KeyPassphrases {
  readonly rootFile: string | undefined
  readonly issuerFile: string | undefined
}

/**
 * Reads them all.
 *
 * @throws {@link ProgramError} `usage` where root or key is not named, `file-unreadable`; AuthorityError `index-malformed`; X509Error
 */
export async function readAuthority(
  files: AuthorityFiles,
  passphrases: KeyPassphrases,
): Promise<ReadAuthority> {
  const { root, rootKey, issuer, issuerKey } = files
  if (root === undefined) throw missing('--root', 'the certificate of the root')
  if (rootKey === undefined) throw missing('--root-key', `the key of ${root}`)
  if ((issuer === undefined) !== (issuerKey === undefined)) {
    throw issuer === undefined
      ? missing('--issuer', `the certificate of ${issuerKey}`)
      : missing('--issuer-key', `the key of ${issuer}`)
  }
  const lists =
    files.crl === undefined
      ? []
      : CertificateRevocationList.parseAll(read(files.crl, MIB * 128), files.crl)
  const next = files.crlNumber === undefined ? undefined : readNumber(files.crlNumber)
  const take = async (
    file: string,
    keyFile: string,
    which: 'root' | 'issuer',
  ): Promise<TakenAuthority> => {
    const certificate = Certificate.parse(read(file, MIB), file)
    const secret = which === 'root' ? passphrases.rootFile : passphrases.issuerFile
    const key = await readTakenKey(keyFile, secret, `--${which}-key-passphrase-file`)
    const numbers = lists
      .filter((list) => list.claimsIssuer(certificate))
      .map((list) => list.number ?? 0n)
    // Whose `crlnumber` it is, nobody says: it is counted for both.
    if (next !== undefined) numbers.push(next)
    return { certificate, key, crlNumber: numbers.reduce((a, b) => (a > b ? a : b), 0n) }
  }
  const taken = {
    root: await take(root, rootKey, 'root'),
    issuer:
      issuer === undefined || issuerKey === undefined
        ? undefined
        : await take(issuer, issuerKey, 'issuer'),
  }
  return { ...taken, issued: readIssued(files) }
}

/** The index, with the certificates that lie beside it; and those that no index knows. */
function readIssued({ index, certificates: folders }: AuthorityFiles): TakenCertificate[] {
  const lines =
    index === undefined
      ? []
      : parseOpensslIndex(read(index, 128 * MIB).toString(), index).map((line) => ({
          ...line,
          source: `${index}, line ${line.line}`,
        }))
  const found = new Map<string, { certificate: Certificate; source: string }>()
  for (const file of folders.flatMap(certificateFiles)) {
    const bytes = read(file, MIB)
    // A key or a request beside them.
    if (bytes[0] !== 0x30 && !bytes.includes('CERTIFICATE-----')) continue
    for (const certificate of Certificate.parseAll(bytes, file).slice(0, 1)) {
      const before = found.get(certificate.serialNumber)
      // The same certificate lies in several folders of easy-rsa.
      if (before === undefined) found.set(certificate.serialNumber, { certificate, source: file })
      else if (!before.certificate.equals(certificate)) {
        throw new ProgramError(
          'file-unreadable',
          `${before.source} and ${file} have one serial number and differ`,
          {
            hint: 'take the certificate that another authority has issued out of the folder',
          },
        )
      }
    }
  }
  const indexed = lines.map((line: IndexLine & { source: string }) => {
    const certificate = found.get(line.serial)?.certificate
    found.delete(line.serial)
    return { ...line, certificate }
  })
  const others = [...found.values()].map(({ certificate, source }) => ({
    certificate,
    serial: certificate.serialNumber,
    notAfter: certificate.notAfter,
    revokedAt: undefined,
    reason: undefined,
    subject: certificate.subject.toString(),
    source,
  }))
  return [...indexed, ...others]
}

/** `crlnumber` holds the number of the next list. */
function readNumber(file: string): bigint {
  const digits = read(file, MIB).toString().trim()
  if (/^[0-9a-f]{1,40}$/i.test(digits)) return BigInt(`0x${digits}`)
  throw new ProgramError('file-unreadable', `${file} holds no number in hex`)
}

function read(file: string, maxBytes: number): Buffer {
  try {
    return readBoundedFile(file, maxBytes)
  } catch (error) {
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}

function missing(option: string, what: string): ProgramError {
  return new ProgramError('usage', `${what} is missing`, {
    hint: `name it: ${option} FILE`,
  })
}

const MIB = 1024 * 1024
