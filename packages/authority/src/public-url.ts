/**
 * Where clients find revocation lists, the responder and the issuer's certificate.
 *
 * @module
 */
import { AuthorityError } from './errors.ts'

/** What a certificate says about where its issuer can be asked; nothing where the authority has no address. */
export interface PublicAddresses {
  /** The revocation list: about everything, or about a part. */
  readonly crlUrl: string | undefined
  /** The certificate of whoever signed. */
  readonly issuerUrl: string | undefined
}

/**
 * The addresses of one certificate authority, by its id: the routes of `routes.ts`.
 *
 * @param partition - the part of its certificates whose list is meant; 0 for the list about all of them
 */
export function addressesOf(
  publicUrl: string | undefined,
  id: string,
  partition = 0,
): PublicAddresses {
  if (publicUrl === undefined) return { crlUrl: undefined, issuerUrl: undefined }
  return {
    crlUrl: `${publicUrl}/crl/${listName(id, partition)}.crl`,
    issuerUrl: `${publicUrl}/crl/${id}.crt`,
  }
}

/** What a list is called: `issuer-2026-a1b2`, and `issuer-2026-a1b2.3` where it is about a part. */
export function listName(ca: string, partition: number): string {
  return partition === 0 ? ca : `${ca}.${partition}`
}

/** The address of the OCSP responder, which is one for every issuer. */
export function responderUrl(publicUrl: string | undefined): string | undefined {
  return publicUrl === undefined ? undefined : `${publicUrl}/ocsp`
}

/**
 * Checks the option `publicUrl`.
 *
 * Plain HTTP, because a client that has to check a certificate to fetch the list it checks certificates with goes in
 * circles (RFC 5280 §8); the lists are signed.
 *
 * @returns the URL without a slash at its end, or `undefined` where there is none
 * @throws {@link AuthorityError} `option-invalid`
 */
export function parsePublicUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain =
    url?.protocol === 'http:' && url.search === '' && url.hash === '' && url.username === ''
  if (url === undefined || !isPlain) {
    throw new AuthorityError(
      'option-invalid',
      'publicUrl must be an http:// URL without query and user',
      {
        hint: 'write http://ca.corp.internal; revocation lists are signed and are fetched over plain HTTP',
      },
    )
  }
  return url.href.replace(/\/+$/, '')
}
