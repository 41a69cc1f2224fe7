/**
 * The trust domain: the first part of every SPIFFE ID that the authority gives to its clients; fixed when it is made.
 *
 * @module
 */
import { AuthorityError } from './errors.ts'

/**
 * The trust domain of an organization that names none: `Acme GmbH` becomes `acme-gmbh.internal` (ICANN keeps
 * `.internal` for private use).
 */
export function trustDomainOf(organization: string): string {
  const slug = organization
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '')
  return `${slug === '' ? 'countersign' : slug}.internal`
}

/**
 * Checks a trust domain that was given: lower-case letters, digits, `-` and `.` in labels as a host name has them.
 * A SPIFFE ID allows more (§2.1), but the constraints of X.509 compare hosts.
 *
 * @throws {@link AuthorityError} `option-invalid`
 */
export function parseTrustDomain(text: string): string {
  const sound =
    text.length <= 253 &&
    text.split('.').every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label))
  if (!sound) {
    throw new AuthorityError(
      'option-invalid',
      `trustDomain: "${text.slice(0, 100)}" is no trust domain`,
      {
        hint: 'write a host name in lower case, such as corp.internal',
      },
    )
  }
  return text
}
