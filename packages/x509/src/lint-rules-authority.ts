/**
 * Lint rules about what makes an authority, and what confines it: basic constraints, its key usage, name constraints.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import type { GeneralSubtree } from './extension-types.ts'
import { ALL, ALL_CLIENTS, AUTHORITIES, type CertificateRule, LEAVES } from './lint-rule.ts'
import { OID } from './oid.ts'

/** The rules of this file. */
export const AUTHORITY_RULES: readonly CertificateRule[] = [
  {
    id: 'basic-constraints-missing',
    severity: 'error',
    profiles: AUTHORITIES,
    about: 'an authority whose basic constraints do not say so',
    citation: 'RFC 5280 §4.2.1.9',
    fix: 'Issue it with critical basic constraints, CA:TRUE.',
    find: ({ isCa }) => !isCa,
  },
  {
    id: 'basic-constraints-not-critical',
    severity: 'error',
    profiles: AUTHORITIES,
    about: 'basic constraints of an authority that are not critical',
    citation: 'RFC 5280 §4.2.1.9',
    fix: 'Mark basic constraints critical.',
    refusedBy: ['python-strict'],
    find: ({ extensions }) => extensions.get(OID.basicConstraints)?.critical === false,
  },
  {
    id: 'path-length-missing',
    severity: 'notice',
    profiles: AUTHORITIES,
    about: 'an authority without path length: there may be any number of authorities below it',
    citation: 'RFC 5280 §4.2.1.9',
    fix: 'Say how many authorities may follow: 0 for one that signs leaves only.',
    find: ({ extensions: { basicConstraints } }) =>
      basicConstraints?.ca === true && basicConstraints.pathLength === undefined,
  },
  {
    id: 'path-length-without-authority',
    severity: 'error',
    profiles: ALL,
    about: 'a path length without CA:TRUE',
    citation: 'RFC 5280 §4.2.1.9',
    fix: 'Leave the path length out of a leaf.',
    find: ({ extensions: { basicConstraints } }) =>
      basicConstraints?.ca === false && basicConstraints.pathLength !== undefined,
  },
  {
    id: 'leaf-is-authority',
    severity: 'error',
    profiles: LEAVES,
    about: 'a leaf that says CA:TRUE: its holder can certify anybody',
    citation: 'RFC 5280 §4.2.1.9',
    fix: 'Revoke it, and issue it again without basic constraints; never copy extensions from a request.',
    find: ({ isCa }) => isCa,
  },
  {
    id: 'authority-key-usage-missing',
    severity: 'error',
    profiles: AUTHORITIES,
    about: 'an authority without key usage',
    citation: 'RFC 5280 §4.2.1.3',
    fix: 'Issue it with a critical key usage of keyCertSign and cRLSign.',
    refusedBy: ['python-strict'],
    find: ({ extensions }) => extensions.get(OID.keyUsage) === undefined,
  },
  {
    id: 'authority-cannot-certify',
    severity: 'error',
    profiles: AUTHORITIES,
    about: 'an authority whose key usage lacks keyCertSign',
    citation: 'RFC 5280 §4.2.1.3, §6.1.4',
    fix: 'Issue it with keyCertSign and cRLSign.',
    refusedBy: ['node'],
    find: ({ extensions: { keyUsage } }) =>
      keyUsage !== undefined && !keyUsage.includes('keyCertSign'),
  },
  {
    id: 'authority-cannot-revoke',
    severity: 'warning',
    profiles: AUTHORITIES,
    about: 'an authority whose key usage lacks cRLSign: its revocation lists are refused',
    citation: 'RFC 5280 §4.2.1.3, §6.3.3',
    fix: 'Issue it with keyCertSign and cRLSign.',
    find: ({ extensions: { keyUsage } }) => keyUsage !== undefined && !keyUsage.includes('cRLSign'),
  },
  {
    id: 'root-authority-key-id-foreign',
    varies: true,
    severity: 'error',
    profiles: ['root'],
    about: 'a root whose authority key identifier is not its own subject key identifier',
    citation: 'RFC 5280 §4.2.1.1',
    fix: 'Leave the authority key identifier out of a root, or repeat the subject key identifier.',
    find: ({ authorityKeyId, subjectKeyId }) =>
      authorityKeyId !== undefined && authorityKeyId !== subjectKeyId,
  },
  {
    id: 'name-constraints-on-leaf',
    severity: 'error',
    profiles: LEAVES,
    about: 'name constraints in a leaf',
    citation: 'RFC 5280 §4.2.1.10',
    fix: 'Leave them out; they belong into authorities.',
    find: ({ extensions }) => extensions.get(OID.nameConstraints) !== undefined,
  },
  {
    id: 'name-constraints-not-critical',
    severity: 'error',
    profiles: ALL,
    about: 'name constraints that are not critical: who does not know them goes on without',
    citation: 'RFC 5280 §4.2.1.10',
    fix: 'Mark name constraints critical.',
    find: ({ extensions }) => extensions.get(OID.nameConstraints)?.critical === false,
  },
  {
    id: 'name-constraints-empty',
    severity: 'error',
    profiles: ALL,
    about: 'name constraints that neither permit nor exclude',
    citation: 'RFC 5280 §4.2.1.10',
    fix: 'Leave the extension out, or say what is permitted.',
    find: ({ extensions: { nameConstraints } }) =>
      nameConstraints !== undefined &&
      nameConstraints.permitted.length + nameConstraints.excluded.length === 0,
  },
  {
    id: 'name-constraints-leading-dot',
    severity: 'error',
    profiles: ALL,
    about: 'a DNS constraint with a dot in front',
    citation: 'RFC 5280 §4.2.1.10',
    fix: 'Write corp.internal, which covers the domain and all below it; the dot is for URIs and mail.',
    find: (certificate) =>
      aboutDnsTrees(certificate, (tree) =>
        tree.startsWith('.') ? 'has a dot in front' : undefined,
      ),
  },
  {
    id: 'name-constraints-dns-form',
    severity: 'error',
    profiles: ALL,
    about: 'a DNS constraint that is no domain',
    citation: 'RFC 5280 §4.2.1.10',
    fix: 'Write a domain: no wildcard, no dot at its end; addresses are constrained as iPAddress.',
    find: (certificate) =>
      aboutDnsTrees(certificate, (tree) =>
        tree === '' || DOMAIN.test(tree.replace(/^\./, '')) ? undefined : 'is no domain',
      ),
  },
  {
    id: 'name-constraints-ip-range',
    severity: 'error',
    profiles: ALL,
    about:
      'an address constraint that is no range: a length other than 8 or 32, or a mask with holes',
    citation: 'RFC 5280 §4.2.1.10',
    fix: 'Write address and mask of a prefix: 10.0.0.0/8.',
    find: (certificate) => {
      const wrong = trees(certificate).find(
        (tree) => tree.type === 'invalid-ip' || (tree.type === 'ip' && !PREFIX.test(tree.value)),
      )
      if (wrong === undefined) return undefined
      return wrong.type === 'ip'
        ? `the address constraint ${wrong.value} is no prefix`
        : 'an address constraint of a length that is none'
    },
  },
  {
    id: 'name-constraints-let-addresses-through',
    severity: 'warning',
    profiles: AUTHORITIES,
    about: 'DNS names are constrained and addresses are not: every client lets any address through',
    citation: 'RFC 5280 §4.2.1.10',
    fix: 'Exclude 0.0.0.0/0 and ::/0, or permit the ranges in use.',
    find: ({ extensions: { nameConstraints } }) => {
      if (nameConstraints === undefined) return undefined
      const { permitted, excluded } = nameConstraints
      if (!permitted.some(({ type }) => type === 'dns')) return undefined
      const ranges = permitted.flatMap((tree) => (tree.type === 'ip' ? [tree.value] : []))
      if (ranges.length > 0) return undefined
      const barred = excluded.flatMap((tree) => (tree.type === 'ip' ? [tree.value] : []))
      return !['0.0.0.0/0', '::/0'].every((range) => barred.includes(range))
    },
  },
  {
    id: 'name-constraints-let-others-through',
    severity: 'notice',
    profiles: AUTHORITIES,
    about: 'DNS names are constrained; e-mail addresses or URIs are not',
    citation: 'RFC 5280 §4.2.1.10',
    fix: 'Permit the e-mail domains and URI hosts in use as well, where clients are certified.',
    find: ({ extensions: { nameConstraints } }) => {
      if (nameConstraints?.permitted.some(({ type }) => type === 'dns') !== true) return undefined
      const kinds = new Set(
        [...nameConstraints.permitted, ...nameConstraints.excluded].map(({ type }) => type),
      )
      return !kinds.has('email') || !kinds.has('uri')
    },
  },
  {
    id: 'critical-extension-unknown',
    severity: 'error',
    profiles: ALL,
    about: 'a critical extension that nobody knows',
    citation: 'RFC 5280 §4.2',
    fix: 'Issue it without that extension, or not critical.',
    refusedBy: ALL_CLIENTS,
    find: ({ extensions }) => {
      const found = extensions.unknown.find(({ critical, oid }) => critical && oid !== ACME)
      return found && `the critical extension ${found.oid}, which nobody knows`
    },
  },
]

function trees({ extensions: { nameConstraints } }: Certificate): readonly GeneralSubtree[] {
  return nameConstraints === undefined
    ? []
    : [...nameConstraints.permitted, ...nameConstraints.excluded]
}

function aboutDnsTrees(
  certificate: Certificate,
  problem: (tree: string) => string | undefined,
): string | undefined {
  for (const tree of trees(certificate)) {
    if (tree.type !== 'dns') continue
    const found = problem(tree.value)
    if (found !== undefined) return `the DNS constraint ${JSON.stringify(tree.value)} ${found}`
  }
  return undefined
}

const DOMAIN =
  /^(?!\d+(?:\.\d+){3}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/
const PREFIX = /\/\d{1,3}$/
/** id-pe-acmeIdentifier, which must be critical (RFC 8737 §3). */
const ACME = '1.3.6.1.5.5.7.1.31'
