/**
 * The revocation lists of a server: read from where the options point, a long one in slices so that a reload holds nobody up.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { errorCode, errorMessage } from '@countersign/core'
import { type CrlSource, TlsError } from '@countersign/tls'
import { CertificateRevocationList, X509Error } from '@countersign/x509'

/** A list, and the digest that says whether it is another. */
export interface LoadedList {
  readonly list: CertificateRevocationList
  /** SHA-256 of the list, lower-case hex. */
  readonly sha256: string
}

/**
 * Reads lists from PEM text, DER bytes or paths.
 *
 * @throws TlsError `crl-unreadable`, `crl-malformed`, naming the path
 */
export async function loadLists(
  sources: CrlSource | readonly CrlSource[] | undefined,
): Promise<LoadedList[]> {
  if (sources === undefined) return []
  const all = isOne(sources) ? [sources] : sources
  if (all.length === 0) throw malformed('option crl is empty')
  const loaded: LoadedList[] = []
  for (const source of all) {
    for (const list of await readLists(source)) {
      loaded.push({ list, sha256: await digestOf(list.der) })
    }
  }
  return loaded
}

/** Whether a source is a path, by the rule of every option that takes one. */
function isPath(source: CrlSource): source is string {
  return typeof source === 'string' && !source.includes('-----BEGIN')
}

/** On another thread: a list of 100,000 has four megabytes. */
async function digestOf(der: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(der))
  return Buffer.from(digest).toString('hex')
}

async function readLists(source: CrlSource): Promise<CertificateRevocationList[]> {
  const name = isPath(source) ? `option crl: ${source}` : 'option crl'
  const data = isPath(source) ? await readPath(source) : source
  if (data.length === 0) throw malformed(`${name} is empty`)
  try {
    return await CertificateRevocationList.parseAllInSlices(data, name)
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    throw malformed(error.message, error)
  }
}

async function readPath(file: string): Promise<Uint8Array> {
  if (file === '') throw malformed('option crl is empty')
  try {
    return await readFile(file)
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

function malformed(message: string, cause?: unknown): TlsError {
  return new TlsError('crl-malformed', message, {
    source: 'crl',
    cause,
    hint: 'give PEM that begins with -----BEGIN X509 CRL-----, DER bytes, or the path of such a file',
  })
}

function isOne(sources: CrlSource | readonly CrlSource[]): sources is CrlSource {
  return typeof sources === 'string' || sources instanceof Uint8Array
}
