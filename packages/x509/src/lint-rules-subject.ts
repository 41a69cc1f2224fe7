/**
 * Lint rules about the distinguished names of subject and issuer.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { TAG } from './der-tags.ts'
import { ALL, AUTHORITIES, type CertificateRule, LEAVES, type LintContext } from './lint-rule.ts'
import { attributeByOid } from './name-attributes.ts'
import type { Name, NameAttribute } from './name.ts'

/** The rules of this file. */
export const SUBJECT_RULES: readonly CertificateRule[] = [
  {
    id: 'issuer-empty',
    severity: 'error',
    profiles: ALL,
    about: 'the issuer has an empty name',
    citation: 'RFC 5280 §4.1.2.4',
    fix: 'Give the authority a subject, and issue everything below it again.',
    find: ({ issuer }) => issuer.isEmpty,
  },
  {
    id: 'subject-empty-authority',
    varies: true,
    severity: 'error',
    profiles: AUTHORITIES,
    about: 'an authority with an empty subject',
    citation: 'RFC 5280 §4.1.2.6',
    fix: 'Give the authority a subject of its own.',
    find: ({ subject }) => subject.isEmpty,
  },
  {
    id: 'subject-nobody',
    varies: true,
    severity: 'error',
    profiles: LEAVES,
    about: 'neither a subject nor subject alternative names: it is for nobody',
    citation: 'RFC 5280 §4.1.2.6',
    fix: 'Issue it with subject alternative names.',
    find: ({ subject, subjectAltNames }) => subject.isEmpty && subjectAltNames.length === 0,
  },
  {
    id: 'name-attribute-too-long',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an attribute of a name is longer than its upper bound',
    citation: 'RFC 5280 appendix A.1',
    fix: 'Shorten it; a long host name belongs into the subject alternative names only.',
    find: (certificate, context) =>
      aboutAttributes(certificate, context, ({ type, value }) => {
        const bound = attributeByOid(type)?.maxLength
        if (bound === undefined || value.length <= bound) return undefined
        const length = Array.from(value).length
        return length > bound ? `has ${length} characters, more than ${bound}` : undefined
      }),
  },
  {
    id: 'name-attribute-empty',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an attribute of a name is empty',
    citation: 'RFC 5280 appendix A.1',
    fix: 'Leave the attribute out.',
    find: (certificate, context) =>
      aboutAttributes(certificate, context, ({ bytes }) =>
        bytes.length === 0 ? 'is empty' : undefined,
      ),
  },
  {
    id: 'name-string-type',
    varies: true,
    severity: 'warning',
    profiles: ALL,
    about: 'a text in a name is neither UTF8String nor PrintableString',
    citation: 'RFC 5280 §4.1.2.4',
    fix: 'Write texts as UTF8String.',
    find: (certificate, context) =>
      aboutAttributes(certificate, context, ({ type, tag }) => {
        const known = attributeByOid(type)
        if (known === undefined || tag === TAG.utf8String || tag === TAG.printableString) {
          return undefined
        }
        return known.encoding === 'ia5' && tag === TAG.ia5String
          ? undefined
          : 'is neither UTF8String nor PrintableString'
      }),
  },
  {
    id: 'name-country',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'a country that is not two letters in a PrintableString',
    citation: 'RFC 5280 appendix A.1',
    fix: 'Write the two capital letters of ISO 3166, or leave the country out.',
    find: (certificate, context) =>
      aboutAttributes(certificate, context, ({ type, tag, value }) =>
        type === COUNTRY && (tag !== TAG.printableString || !/^[A-Za-z]{2}$/.test(value))
          ? 'is not two letters in a PrintableString'
          : undefined,
      ),
  },
  {
    id: 'name-control-characters',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'control characters in a name',
    citation: 'RFC 5280 §4.1.2.4, RFC 4514 §2.4',
    fix: 'Leave them out: a NUL ends the name for some readers and not for others.',
    find: (certificate, context) =>
      aboutAttributes(certificate, context, ({ value }) =>
        CONTROL.test(value) ? 'holds a control character' : undefined,
      ),
  },
  {
    id: 'common-name-several',
    varies: true,
    severity: 'warning',
    profiles: ALL,
    about: 'several common names in one subject: which of them counts depends on the reader',
    citation: 'RFC 9525 §2, CVE-2021-44533',
    fix: 'Keep one common name, or none; host names belong into the subject alternative names.',
    find: ({ subject }) => subject.attributes.filter(({ type }) => type === COMMON_NAME).length > 1,
  },
]

/** The first attribute of subject or issuer that has the problem. */
function aboutAttributes(
  { subject, issuer }: Certificate,
  { isIssuerKnown }: LintContext,
  problem: (attribute: NameAttribute) => string | undefined,
): string | undefined {
  return (
    aboutName('subject', subject, problem) ??
    (isIssuerKnown ? undefined : aboutName('issuer', issuer, problem))
  )
}

function aboutName(
  owner: string,
  name: Name,
  problem: (attribute: NameAttribute) => string | undefined,
): string | undefined {
  if (name.isEmpty) return undefined
  for (const rdn of name.rdns) {
    for (const attribute of rdn) {
      const found = problem(attribute)
      if (found === undefined) continue
      const label = attributeByOid(attribute.type)?.name ?? attribute.type
      return `${label} of the ${owner} ${found}`
    }
  }
  return undefined
}

const COMMON_NAME = '2.5.4.3'
const COUNTRY = '2.5.4.6'
const CONTROL = /\p{Cc}/u
