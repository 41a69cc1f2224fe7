/**
 * Whose client certificates the service takes: those of its own authority, as long as they are not revoked.
 *
 * @module
 */
import type { Authority } from '@countersign/authority'
import type { TlsSources } from '@countersign/server'
import type { Certificate } from '@countersign/x509'

/** What the server is told, and what it says in one line: two that are equal need no reload. */
export interface ClientTrust {
  readonly sources: Pick<TlsSources, 'ca' | 'crl'>
  readonly version: string
  /** What is trusted, as values. */
  readonly ca: readonly Certificate[]
  /** The lists in DER. */
  readonly lists: readonly Uint8Array[]
}

/**
 * Roots, issuers of before, and the newest revocation lists.
 *
 * @param before - what was told last; its certificates are read again only where they may have changed
 */
export async function clientTrust(
  authority: Authority,
  before: ClientTrust | undefined,
): Promise<ClientTrust> {
  const lists = await authority.revocationLists()
  const version = [...authority.roots, ...authority.chain]
    .map(({ fingerprint }) => fingerprint)
    .concat(lists.map(({ ca, number }) => `${ca} ${number}`))
    .join('\n')
  if (version === before?.version) return before
  const former = (await authority.rollover('issuer'))?.old
  const ca: Certificate[] = [...authority.roots]
  // While issuers change, clients of the one before are judged by its list, which wants its certificate.
  if (former !== undefined && former.live > 0) ca.push(former.certificate)
  const crl = await Promise.all(lists.map(async (list) => list.read()))
  const sources = { ca: ca.map(({ pem }) => pem).join(''), crl }
  return { sources, version, ca, lists: crl }
}
