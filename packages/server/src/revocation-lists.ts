/**
 * The revocation lists of a server: read from where the options point.
 *
 * Not here: on which thread (`list-reader.ts`), and lists that are fetched (`list-feed.ts`).
 *
 * @module
 */
import { stat } from 'node:fs/promises'
import { errorCode, errorMessage } from '@countersign/core'
import { type CrlSource, TlsError } from '@countersign/tls'
import { type Certificate, X509Error } from '@countersign/x509'
import { type LoadedList, readLists } from './list-reader.ts'
import { isListUrl } from './list-url.ts'

/** What `crl` takes: a path, PEM text, DER bytes, or the URL of a list. */
export type CrlOption = CrlSource | readonly CrlSource[]

/** The sources of an option, one by one. */
function crlSources(sources: CrlOption | undefined): readonly CrlSource[] {
  if (sources === undefined) return []
  const all = isOne(sources) ? [sources] : sources
  if (all.length === 0) throw malformed('option crl is empty')
  return all
}

/**
 * Reads lists from PEM text, DER bytes or paths; URLs are left out.
 *
 * @param authorities - whose lists they may be
 * @throws TlsError `crl-unreadable`, `crl-malformed`, naming the path
 */
export async function loadLists(
  sources: CrlOption | undefined,
  authorities: readonly Certificate[],
): Promise<LoadedList[]> {
  const loaded: LoadedList[] = []
  for (const source of crlSources(sources)) {
    if (!isListUrl(source)) loaded.push(...(await load(source, authorities)))
  }
  return loaded
}

/** Whether a source is a path, by the rule of every option that takes one. */
function isPath(source: CrlSource): source is string {
  return typeof source === 'string' && !source.includes('-----BEGIN')
}

async function load(source: CrlSource, authorities: readonly Certificate[]): Promise<LoadedList[]> {
  const name = isPath(source) ? `option crl: ${source}` : 'option crl'
  if (source.length === 0) throw malformed('option crl is empty')
  try {
    if (!isPath(source)) return await readLists({ data: source }, name, authorities)
    // Asked first, so that the words for a file that is not there are the same on every thread.
    const { size } = await stat(source)
    return await readLists({ path: source, size }, name, authorities)
  } catch (error) {
    if (error instanceof X509Error) throw malformed(error.message, error)
    if (!isPath(source)) throw error
    const code = errorCode(error)
    throw new TlsError(
      'crl-unreadable',
      code === 'ENOENT'
        ? `option crl: there is no file ${source}`
        : `option crl: cannot read ${source}: ${errorMessage(error)}`,
      {
        source: 'crl',
        path: source,
        nodeCode: code,
        cause: error,
        hint: 'give the path of a PEM or DER file, or the URL of the list',
      },
    )
  }
}

function malformed(message: string, cause?: unknown): TlsError {
  return new TlsError('crl-malformed', message, {
    source: 'crl',
    cause,
    hint: 'give PEM that begins with -----BEGIN X509 CRL-----, DER bytes, the path of such a file, or its URL',
  })
}

function isOne(sources: CrlOption): sources is CrlSource {
  return typeof sources === 'string' || sources instanceof Uint8Array
}
