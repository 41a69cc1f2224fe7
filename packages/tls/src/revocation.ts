/**
 * Revocation lists as OpenSSL takes them: one PEM block each.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { errorCode, errorMessage, readBoundedFile } from '@countersign/core'
import { encodePem, parsePem, X509Error } from '@countersign/x509'
import { TlsError } from './errors.ts'
import type { CrlSource } from './context-options.ts'
import { isPem } from './trust-source.ts'

/** A list, and a digest that says whether it changed. */
export interface RevocationList {
  readonly der: Uint8Array
  readonly pem: string
  readonly sha256: string
}

/**
 * Reads lists from PEM text, DER bytes or paths.
 *
 * @throws {@link TlsError} `crl-unreadable`, `crl-malformed`
 */
export function loadRevocationLists(
  sources: CrlSource | readonly CrlSource[] | undefined,
): RevocationList[] {
  if (sources === undefined) return []
  const list = isOne(sources) ? [sources] : sources
  if (list.length === 0) throw malformed('option crl is empty')
  return list
    .flatMap((source) => listsOf(source))
    .map((der) => ({
      der,
      pem: encodePem('X509 CRL', der),
      sha256: hash('sha256', der, 'hex'),
    }))
}

function listsOf(source: CrlSource): Uint8Array[] {
  if (typeof source === 'string' && !isPem(source)) {
    return blocksOf(readList(source), `option crl: ${source}`)
  }
  return blocksOf(source, 'option crl')
}

function blocksOf(data: string | Uint8Array, name: string): Uint8Array[] {
  if (data.length === 0) throw malformed(`${name} is empty`)
  if (data instanceof Uint8Array && !isPem(data)) return [new Uint8Array(data)]
  const text = typeof data === 'string' ? data : new TextDecoder().decode(data)
  try {
    const lists = parsePem(text, name).filter(({ label }) => label === 'X509 CRL')
    if (lists.length > 0) return lists.map(({ der }) => der)
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    throw malformed(`${name} is no revocation list: ${error.message}`, error)
  }
  throw malformed(`${name} holds no revocation list`)
}

function readList(file: string): Uint8Array {
  if (file === '') throw malformed('option crl is empty')
  try {
    return readBoundedFile(file)
  } catch (error) {
    const code = errorCode(error)
    throw new TlsError(
      'crl-unreadable',
      code === 'ENOENT'
        ? `option crl: there is no file ${file}`
        : `option crl: cannot read ${file}: ${errorMessage(error)}`,
      { source: 'crl', path: file, nodeCode: code, cause: error },
    )
  }
}

/** A list that cannot be read as one. */
export function malformed(message: string, cause?: unknown): TlsError {
  return new TlsError('crl-malformed', message, {
    source: 'crl',
    cause,
    hint: 'give PEM that begins with -----BEGIN X509 CRL-----, DER bytes, or the path of such a file',
  })
}

function isOne(sources: CrlSource | readonly CrlSource[]): sources is CrlSource {
  return typeof sources === 'string' || sources instanceof Uint8Array
}
