/**
 * What certificates that a proxy tells of are verified against: the same as those of a connection.
 *
 * @module
 */
import type { ClientCertTrust } from '@countersign/auth'
import type { Authority } from '@countersign/authority'
import { CertificateRevocationList } from '@countersign/x509'
import { type ClientTrust, clientTrust } from './client-trust.ts'

/**
 * The trust of a moment, read again only where it has changed.
 *
 * @param authority - once it is open: sign-in is opened before it
 */
export function proxiedTrust(authority: () => Authority): () => Promise<ClientCertTrust> {
  let known: { trust: ClientTrust; read: ClientCertTrust } | undefined
  return async () => {
    const trust = await clientTrust(authority(), known?.trust)
    if (trust === known?.trust) return known.read
    const { roots, chain } = authority()
    const read = {
      roots,
      // With the issuers of before, which issue no more and whose clients are still there.
      intermediates: [...chain, ...trust.ca],
      crls: trust.lists.map((der) => CertificateRevocationList.parse(der, 'the authority')),
    }
    known = { trust, read }
    return read
  }
}
