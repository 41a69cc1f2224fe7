/**
 * Lint rules about the other extensions: key identifiers of the issuer, where revocation is told, policies.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { ALL, type CertificateRule, LEAVES, measured } from './lint-rule.ts'
import { OID } from './oid.ts'
import { oidName } from './oid-names.ts'
import { refusersOfCritical } from './verify/client-support.ts'

/** The rules of this file. */
export const EXTENSION_RULES: readonly CertificateRule[] = [
  {
    id: 'authority-key-id-missing',
    varies: true,
    severity: 'error',
    profiles: ['issuer', ...LEAVES],
    about: 'no authority key identifier',
    citation: 'RFC 5280 §4.2.1.1',
    fix: "Issue it with its issuer's subject key identifier.",
    refusedBy: ['python-strict'],
    find: (certificate) =>
      certificate.extensions.get(OID.authorityKeyIdentifier) === undefined &&
      !certificate.isSelfIssued,
  },
  {
    id: 'authority-key-id-without-id',
    severity: 'error',
    profiles: ALL,
    about: 'an authority key identifier without the key identifier',
    citation: 'RFC 5280 §4.2.1.1',
    fix: "Write its issuer's subject key identifier, and nothing else.",
    find: ({ extensions: { authorityKeyIdentifier: id } }) =>
      id !== undefined && id.keyId === undefined,
  },
  {
    id: 'authority-key-id-by-serial',
    severity: 'warning',
    profiles: ALL,
    about:
      'an authority key identifier with name and serial number: the issuer can never be renewed',
    citation: 'RFC 5280 §4.2.1.1',
    fix: 'Write the key identifier only; with openssl that is keyid:always, without issuer.',
    find: ({ extensions: { authorityKeyIdentifier: id } }) =>
      id?.serialNumber !== undefined || id?.issuer !== undefined,
  },
  {
    id: 'extension-must-not-be-critical',
    severity: 'error',
    profiles: ALL,
    about: 'an extension is critical that must not be',
    citation: 'RFC 5280 §4.2.1.1, §4.2.1.2, §4.2.1.8, §4.2.1.15, §4.2.2',
    fix: 'Write it without the flag.',
    find: ({ extensions }) => {
      const found = extensions.all.find(({ critical, oid }) => critical && NEVER_CRITICAL.has(oid))
      return (
        found && {
          message: `the extension ${oidName(found.oid) ?? found.oid} must not be critical`,
          refusedBy: measured(refusersOfCritical(found.oid)),
        }
      )
    },
  },
  {
    id: 'extension-must-be-critical',
    severity: 'error',
    profiles: ALL,
    about: 'policy constraints, inhibitAnyPolicy or acmeIdentifier that are not critical',
    citation: 'RFC 5280 §4.2.1.11, §4.2.1.14, RFC 8737 §3',
    fix: 'Mark them critical.',
    find: ({ extensions }) => {
      const found = extensions.all.find(
        ({ critical, oid }) => !critical && (POLICY_RULES.has(oid) || oid === ACME_IDENTIFIER),
      )
      return found && `the extension ${oidName(found.oid) ?? found.oid} must be critical`
    },
  },
  {
    id: 'crl-point-over-https',
    severity: 'warning',
    profiles: ALL,
    about: 'a revocation list over https: fetching it needs a certificate that needs the list',
    citation: 'RFC 5280 §8, CA/Browser Forum BR §7.1.2.11.2',
    fix: 'Publish the list over http; it is signed.',
    find: (certificate) => {
      const url = crlUrls(certificate).find((one) => /^https:/i.test(one))
      return (
        url && `the revocation list ${url}: fetching it needs a certificate that needs the list`
      )
    },
  },
  {
    id: 'crl-point-without-url',
    severity: 'warning',
    profiles: ALL,
    about: 'distribution points without any http URL',
    citation: 'RFC 5280 §4.2.1.13',
    fix: 'Add the http URL of the list; few clients speak LDAP or follow relative names.',
    find: (certificate) => {
      const points = certificate.extensions.crlDistributionPoints
      if (points === undefined || points.length === 0) return undefined
      return !crlUrls(certificate).some((url) => /^https?:/i.test(url))
    },
  },
  {
    id: 'crl-point-empty',
    severity: 'error',
    profiles: ALL,
    about: 'distribution points with nothing in them, or one that names neither place nor issuer',
    citation: 'RFC 5280 §4.2.1.13',
    fix: 'Leave the extension out, or name the place of the list.',
    find: ({ extensions: { crlDistributionPoints: points } }) =>
      points !== undefined &&
      (points.length === 0 ||
        points.some(
          ({ fullName = [], relativeName, crlIssuer }) =>
            fullName.length === 0 && relativeName === undefined && crlIssuer === undefined,
        )),
  },
  {
    id: 'crl-point-critical',
    severity: 'warning',
    profiles: ALL,
    about: 'distribution points that are critical',
    citation: 'RFC 5280 §4.2.1.13',
    fix: 'Write them without the flag.',
    find: ({ extensions }) => extensions.get(OID.crlDistributionPoints)?.critical,
  },
  {
    id: 'revocation-untold',
    varies: true,
    severity: 'notice',
    profiles: ['issuer', ...LEAVES],
    about: 'valid for more than ten days, and it names neither revocation list nor OCSP',
    citation: 'RFC 5280 §4.2.1.13, CA/Browser Forum BR §7.1.2.11.2',
    fix: 'Issue it for fewer days, or with the http URL of a revocation list.',
    find: ({ extensions }, { lifetimeMs }) =>
      lifetimeMs > TEN_DAYS_MS + 1000 &&
      extensions.get(OID.crlDistributionPoints) === undefined &&
      // Its issuer says that it will not be revoked.
      extensions.get(OID.ocspNoCheck) === undefined &&
      extensions.authorityInfoAccess?.some(({ method }) => method === 'ocsp') !== true,
  },
  {
    id: 'access-over-https',
    severity: 'notice',
    profiles: ALL,
    about: "the issuer's certificate or OCSP over https: fetching it needs what it is fetched for",
    citation: 'RFC 5280 §8, CA/Browser Forum BR §7.1.2.7.7',
    fix: 'Publish it over http; it is signed.',
    find: ({ extensions: { authorityInfoAccess = [] } }) =>
      authorityInfoAccess.some(
        ({ location }) => location.type === 'uri' && /^https:/i.test(location.value),
      ),
  },
  {
    id: 'access-empty',
    severity: 'error',
    profiles: ALL,
    about: 'authority information access with nothing in it',
    citation: 'RFC 5280 §4.2.2.1',
    fix: 'Leave the extension out.',
    find: ({ extensions }) => extensions.authorityInfoAccess?.length === 0,
  },
  {
    id: 'policies-empty',
    severity: 'error',
    profiles: ALL,
    about: 'certificate policies with nothing in them',
    citation: 'RFC 5280 §4.2.1.4',
    fix: 'Leave the extension out.',
    find: ({ extensions }) => extensions.certificatePolicies?.length === 0,
  },
  {
    id: 'policies-twice',
    severity: 'error',
    profiles: ALL,
    about: 'the same certificate policy twice',
    citation: 'RFC 5280 §4.2.1.4',
    fix: 'Name each policy once.',
    find: ({ extensions: { certificatePolicies: policies = [] } }) =>
      policies.length > 1 && new Set(policies.map(({ policy }) => policy)).size < policies.length,
  },
  {
    id: 'policy-mapping-any',
    severity: 'error',
    profiles: ALL,
    about: 'anyPolicy in a policy mapping, or a mapping without content',
    citation: 'RFC 5280 §4.2.1.5',
    fix: 'Map named policies only, or leave the extension out.',
    find: ({ extensions: { policyMappings: mappings } }) =>
      mappings !== undefined &&
      (mappings.length === 0 ||
        mappings.some(
          ({ issuerDomainPolicy, subjectDomainPolicy }) =>
            issuerDomainPolicy === OID.anyPolicy || subjectDomainPolicy === OID.anyPolicy,
        )),
  },
  {
    id: 'policy-constraints-empty',
    severity: 'error',
    profiles: ALL,
    about: 'policy constraints that constrain nothing',
    citation: 'RFC 5280 §4.2.1.11',
    fix: 'Leave the extension out.',
    find: ({ extensions: { policyConstraints: constraints } }) =>
      constraints !== undefined &&
      constraints.requireExplicitPolicy === undefined &&
      constraints.inhibitPolicyMapping === undefined,
  },
  {
    id: 'policy-rules-on-leaf',
    severity: 'warning',
    profiles: LEAVES,
    about:
      'policy mappings, policy constraints or inhibitAnyPolicy in a leaf, where they mean nothing',
    citation: 'RFC 5280 §4.2.1.5, §4.2.1.11, §4.2.1.14',
    fix: 'Leave them out; they are for authorities.',
    find: ({ extensions }) =>
      extensions.all.some(({ oid }) => oid === OID.policyMappings || POLICY_RULES.has(oid)),
  },
  {
    id: 'netscape-extension',
    severity: 'notice',
    profiles: ALL,
    about: 'an extension of Netscape, left over from an old configuration',
    citation: 'RFC 5280 §4.2',
    fix: 'Leave nsComment and nsCertType out of the configuration of openssl.',
    find: ({ extensions }) => {
      const found = extensions.all.find(({ oid }) => oid.startsWith('2.16.840.1.113730.1.'))
      return (
        found && `the extension ${oidName(found.oid) ?? found.oid}, left over from the nineties`
      )
    },
  },
]

function crlUrls({ extensions: { crlDistributionPoints = [] } }: Certificate): string[] {
  return crlDistributionPoints.flatMap(({ fullName = [] }) =>
    fullName.flatMap((name) => (name.type === 'uri' ? [name.value] : [])),
  )
}

const TEN_DAYS_MS = 10 * 86_400_000
const NEVER_CRITICAL: ReadonlySet<string> = new Set([
  OID.authorityKeyIdentifier,
  OID.subjectKeyIdentifier,
  OID.subjectDirectoryAttributes,
  OID.freshestCrl,
  OID.authorityInfoAccess,
  OID.subjectInfoAccess,
])
const POLICY_RULES: ReadonlySet<string> = new Set([OID.policyConstraints, OID.inhibitAnyPolicy])
const ACME_IDENTIFIER = '1.3.6.1.5.5.7.1.31'
