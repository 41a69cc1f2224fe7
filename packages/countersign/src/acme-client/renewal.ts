/**
 * What is kept beside a certificate that came by ACME, so that it can be renewed: `NAME.acme.json`.
 *
 * It is written before the certificate, and names the one before as well: whenever the program is stopped, the file is about the
 * certificate that is there.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { errorCode, errorMessage, writeFileAtomic } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { z } from 'zod'
import { ProgramError } from '../errors.ts'
import { renewalFile } from './renewal-file.ts'

/** How a certificate was ordered: the options of `issue` of the same name. */
interface AcmeOrigin {
  /** The address of the directory. */
  readonly directory: string
  readonly names: readonly string[]
  readonly profile?: string | undefined
  readonly httpPort?: string | undefined
  readonly tlsPort?: string | undefined
  readonly dnsHook?: string | undefined
  /** Files with whom to trust, by their whole path. */
  readonly ca?: readonly string[] | undefined
  readonly extraCa?: readonly string[] | undefined
}

/** The same, with the certificate that it is about. */
export interface AcmeRecord extends AcmeOrigin {
  /** The address of the account. */
  readonly account?: string | undefined
  /** The ARI identifier of the certificate, and of the one before it. */
  readonly certificate?: string | undefined
  readonly before?: string | undefined
  /** When it should be renewed, as far as was known when it came. */
  readonly renewAfter?: string | undefined
}

/** The identifier of a certificate (RFC 9773 §4.1); `undefined` where it has no authority key identifier. */
export function ariId(certificate: Certificate): string | undefined {
  const keyId = certificate.extensions.authorityKeyIdentifier?.keyId
  if (keyId === undefined) return undefined
  const bytes = Buffer.from(certificate.serialNumber, 'hex')
  const serial = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
  return `${Buffer.from(keyId).toString('base64url')}.${serial.toString('base64url')}`
}

/**
 * What is kept beside a certificate.
 *
 * @param base - the path of the certificate without its ending
 * @returns `undefined` where there is nothing
 * @throws ProgramError `file-unreadable`
 */
export function readRecord(base: string): AcmeRecord | undefined {
  const file = renewalFile(base)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw unreadable(file, errorMessage(error), error)
  }
  const { data, error } = RECORD.safeParse(parsed(text, file))
  if (data !== undefined) return data
  const [issue] = error.issues
  throw unreadable(file, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
}

/** The same, where it is about this certificate, or the one that was to follow it. */
export function recordOf(base: string, certificate: Certificate): AcmeRecord | undefined {
  const record = readRecord(base)
  const id = ariId(certificate)
  const isAboutIt = id !== undefined && (record?.certificate === id || record?.before === id)
  return isAboutIt ? record : undefined
}

/** Keeps it. @throws CoreError `file-write-failed` */
export async function writeRecord(base: string, record: AcmeRecord): Promise<void> {
  await writeFileAtomic(renewalFile(base), `${JSON.stringify(record, undefined, 2)}\n`)
}

/** Files as they are found from any folder. */
export function wholePaths(files: readonly string[] | undefined): string[] | undefined {
  return files?.map((file) => path.resolve(file))
}

function parsed(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unreadable(file, errorMessage(error), error)
  }
}

function unreadable(file: string, why: string, cause?: unknown): ProgramError {
  return new ProgramError('file-unreadable', `cannot read ${file}: ${why}`, {
    hint: 'order the certificate again with: countersign issue NAME... --acme URL --force',
    cause,
  })
}

const RECORD: z.ZodType<AcmeRecord> = z.object({
  directory: z.url({ protocol: /^https$/ }),
  account: z.string().optional(),
  names: z.array(z.string()).min(1),
  certificate: z.string().optional(),
  before: z.string().optional(),
  profile: z.string().optional(),
  httpPort: z.string().optional(),
  tlsPort: z.string().optional(),
  dnsHook: z.string().optional(),
  ca: z.array(z.string()).optional(),
  extraCa: z.array(z.string()).optional(),
  renewAfter: z.string().optional(),
})
