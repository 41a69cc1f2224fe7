/**
 * A file with a certificate as servers take it: the leaf, then whatever is sent with it.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import { ProgramError } from './errors.ts'
import { readGivenFile } from './given-file.ts'

/** The first certificate of a file, and what else matters of the file. */
export interface LeafFile {
  readonly certificate: Certificate
  /** True where a private key stands in the file as well. */
  readonly holdsKey: boolean
}

/**
 * Reads the leaf of a file, PEM or DER.
 *
 * @throws ProgramError `file-unreadable`; X509Error where it holds no certificate
 */
export async function readLeaf(file: string): Promise<LeafFile> {
  const bytes = readGivenFile(file)
  const { Certificate: Reader } = await import('@countersign/x509')
  const [certificate] = Reader.parseAll(bytes, file)
  if (certificate === undefined) {
    throw new ProgramError('file-unreadable', `${file} holds no certificate`)
  }
  return {
    certificate,
    holdsKey: /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(bytes.toString('latin1')),
  }
}
