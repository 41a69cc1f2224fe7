/**
 * All that `countersign verify` is asked about, read from its command line and files.
 *
 * @module
 */
import { statSync } from 'node:fs'
import type { TrustStore } from '@countersign/tls'
import type { CertificateRevocationList, OcspResponse, ReferenceName } from '@countersign/x509'
import type { DataFolder } from './data-folder.ts'
import { ProgramError } from './errors.ts'
import { readGivenFile } from './given-file.ts'
import { ownRoots } from './own-roots.ts'
import { type GivenChain, readCertificates, readChain } from './verify-input.ts'

/** Its options, as commander read them. */
export interface VerifyFlags {
  roots?: string[]
  intermediates?: string[]
  name?: ReferenceName
  purpose?: 'server' | 'client'
  time?: Date
  crl?: string[]
  ocsp?: string[]
  passwordFile?: string
}

/** What is asked. */
export interface Question extends GivenChain {
  file: string
  crls: readonly CertificateRevocationList[]
  answers: readonly OcspResponse[]
  trust: TrustStore
  /** The one file that named roots came from. */
  trustFile: string | undefined
  name: ReferenceName | undefined
  purpose: 'server' | 'client'
  time: Date
}

/**
 * Reads everything.
 *
 * @throws {@link ProgramError} `file-unreadable`, `usage`; X509Error, TlsError for what the files hold
 */
export async function readQuestion(
  file: string,
  flags: VerifyFlags,
  data: DataFolder,
): Promise<Question> {
  const { CertificateRevocationList: ListReader, OcspResponse: AnswerReader } = await import(
    '@countersign/x509'
  )
  const { leaf, intermediates } = await readChain(file, flags.passwordFile)
  const { name, time = new Date(), roots } = flags
  const [trustFile, ...more] = roots ?? [data.roots]
  return {
    file,
    leaf,
    intermediates: [...intermediates, ...(await readCertificates(flags.intermediates ?? []))],
    crls: (flags.crl ?? []).flatMap((one) => ListReader.parseAll(readGivenFile(one), one)),
    answers: (flags.ocsp ?? []).flatMap((one) => AnswerReader.parseAll(readGivenFile(one), one)),
    trust: await readRoots(roots, data),
    trustFile:
      trustFile !== undefined && more.length === 0 && isFile(trustFile) ? trustFile : undefined,
    name,
    purpose: flags.purpose ?? (name !== undefined && 'email' in name ? 'client' : 'server'),
    time,
  }
}

async function readRoots(
  roots: readonly string[] | undefined,
  data: DataFolder,
): Promise<TrustStore> {
  const { TlsError, TrustStore: Store } = await import('@countersign/tls')
  if (roots === undefined) {
    const own = ownRoots(data, roots)
    return Store.resolve({ extraCa: own.length === 0 ? undefined : own })
  }
  try {
    return Store.resolve({ ca: roots })
  } catch (error) {
    if (!(error instanceof TlsError)) throw error
    const message = error.message.replace(/^option ca\b/, '--roots')
    throw new ProgramError('file-unreadable', message, {
      hint: 'give a PEM or DER file of roots, or a folder of them',
      cause: error,
    })
  }
}

function isFile(name: string): boolean {
  return statSync(name, { throwIfNoEntry: false })?.isFile() === true
}
