/**
 * Which authorities a refusal names: no more than the handshake itself tells every client (`certificate_authorities`, RFC 8446 §4.2.4).
 *
 * @module
 */
import type { Site } from './sites.ts'

/**
 * Subjects of the first authorities that a site accepts clients of, so that whoever has several certificates can choose.
 *
 * @returns `undefined` where nobody is asked for a certificate
 */
export function acceptedAuthorities(site: Site | undefined): readonly string[] | undefined {
  if (site === undefined) return undefined
  const { trust, clientCertificates } = site.terms.context
  if (clientCertificates === 'none' || trust.size === 0) return undefined
  return trust.certificates
    .slice(0, MOST_NAMES)
    .map(({ subject }) => subject.toString().slice(0, LONGEST_NAME))
}

const MOST_NAMES = 20
const LONGEST_NAME = 200
