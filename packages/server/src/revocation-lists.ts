/**
 * The revocation lists behind a context that this package built, for {@link recheck}.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import type { CrlSource, TlsContext } from '@countersign/tls'
import { CertificateRevocationList } from '@countersign/x509'

/** Remembers the lists of a context; read now, parsed when they are first asked for. */
export function rememberLists(
  context: TlsContext,
  sources: CrlSource | readonly CrlSource[] | undefined,
): void {
  const all = sources === undefined ? [] : isOne(sources) ? [sources] : sources
  const data = all.map((source) => read(source))
  let lists: CertificateRevocationList[] | undefined
  LISTS.set(context, () => {
    lists ??= data.flatMap((one) => CertificateRevocationList.parseAll(one, 'option crl'))
    return lists
  })
}

/** The lists of a context; `undefined` for one that was built elsewhere. */
export function listsOf(context: TlsContext): readonly CertificateRevocationList[] | undefined {
  return LISTS.get(context)?.()
}

function read(source: CrlSource): string | Uint8Array {
  // A path, by the same rule by which the context has just read it.
  return typeof source === 'string' && !source.includes('-----BEGIN')
    ? readFileSync(source)
    : source
}

function isOne(sources: CrlSource | readonly CrlSource[]): sources is CrlSource {
  return typeof sources === 'string' || sources instanceof Uint8Array
}

const LISTS = new WeakMap<TlsContext, () => readonly CertificateRevocationList[]>()
