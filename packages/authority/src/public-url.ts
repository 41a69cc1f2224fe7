/**
 * Where clients find revocation lists.
 *
 * @module
 */
import { AuthorityError } from './errors.ts'

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
