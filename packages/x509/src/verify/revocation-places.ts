/**
 * Where a certificate says that its revocation is told.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import { X509Error } from '../errors.ts'
import type { GeneralName } from '../general-name.ts'

/** URIs of its revocation lists; none where the extension cannot be read. */
export function distributionPoints({ extensions }: Certificate): string[] {
  return uris(() =>
    (extensions.crlDistributionPoints ?? []).flatMap(({ fullName }) => fullName ?? []),
  )
}

/** URIs of its OCSP responders; none where the extension cannot be read. */
export function ocspResponders({ extensions }: Certificate): string[] {
  return uris(() =>
    (extensions.authorityInfoAccess ?? []).flatMap(({ method, location }) =>
      method === 'ocsp' ? [location] : [],
    ),
  )
}

function uris(read: () => GeneralName[]): string[] {
  try {
    return read().flatMap((name) => (name.type === 'uri' ? [name.value] : []))
  } catch (error) {
    if (error instanceof X509Error) return []
    throw error
  }
}
