/**
 * Revocation lists from where an option points: a file, a folder of `*.crl`, PEM text or DER bytes.
 *
 * @module
 */
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { errorCode, errorMessage, readBoundedFile } from '@countersign/core'
import { type CrlSource, TlsError } from '@countersign/tls'
import { CertificateRevocationList, X509Error } from '@countersign/x509'
import { isPath } from './ca-sources.ts'

/**
 * Reads every list.
 *
 * @throws {@link TlsError} `crl-unreadable`, `crl-malformed`, naming the path
 */
export function readLists(sources: readonly CrlSource[]): CertificateRevocationList[] {
  return sources.flatMap((source) =>
    isPath(source) ? readPath(source) : parse(source, 'option crl'),
  )
}

function readPath(file: string): CertificateRevocationList[] {
  try {
    if (!statSync(file).isDirectory()) return parse(readBoundedFile(file), `option crl: ${file}`)
    const names = readdirSync(file).filter((name) => name.endsWith('.crl'))
    return names.toSorted().flatMap((name) => {
      const full = path.join(file, name)
      return parse(readBoundedFile(full), `option crl: ${full}`)
    })
  } catch (error) {
    if (error instanceof TlsError) throw error
    const code = errorCode(error)
    throw new TlsError(
      'crl-unreadable',
      code === 'ENOENT'
        ? `option crl: there is no file or folder ${file.slice(0, LONGEST_PATH)}`
        : `option crl: cannot read ${file.slice(0, LONGEST_PATH)}: ${errorMessage(error)}`,
      { source: 'crl', path: file.slice(0, LONGEST_PATH), nodeCode: code, cause: error },
    )
  }
}

function parse(data: string | Uint8Array, name: string): CertificateRevocationList[] {
  try {
    return CertificateRevocationList.parseAll(data, name)
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    throw new TlsError('crl-malformed', error.message, {
      source: 'crl',
      cause: error,
      hint: 'give PEM that begins with -----BEGIN X509 CRL-----, DER bytes, or the path of such a file',
    })
  }
}

const LONGEST_PATH = 200
