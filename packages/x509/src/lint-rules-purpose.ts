/**
 * Lint rules about the extended key usage: what a certificate is for.
 *
 * @module
 */
import { ALL, ALL_CLIENTS, type CertificateRule, LEAVES } from './lint-rule.ts'
import { OID } from './oid.ts'

/** The rules of this file. */
export const PURPOSE_RULES: readonly CertificateRule[] = [
  {
    id: 'purpose-empty',
    severity: 'error',
    profiles: ALL,
    about: 'an extended key usage with nothing in it',
    citation: 'RFC 5280 §4.2.1.12',
    fix: 'Name the purpose, or leave the extension out.',
    find: ({ extensions }) => extensions.extendedKeyUsage?.length === 0,
  },
  {
    id: 'purpose-missing',
    severity: 'warning',
    profiles: LEAVES,
    about: 'a leaf without extended key usage: a server with it can call as a client',
    citation: 'RFC 5280 §4.2.1.12, CA/Browser Forum BR §7.1.2.7.10',
    fix: 'Issue it with serverAuth or with clientAuth.',
    find: ({ extensions }) => extensions.get(OID.extendedKeyUsage) === undefined,
  },
  {
    id: 'purpose-no-server',
    severity: 'error',
    profiles: ['server'],
    about: 'a server whose extended key usage lacks serverAuth',
    citation: 'RFC 5280 §4.2.1.12',
    fix: 'Issue it with serverAuth.',
    refusedBy: ALL_CLIENTS,
    find: ({ extensions: { extendedKeyUsage: purposes } }) =>
      purposes !== undefined && !purposes.includes('serverAuth') && !purposes.includes('any'),
  },
  {
    id: 'purpose-no-client',
    severity: 'error',
    profiles: ['client'],
    about: 'a client whose extended key usage lacks clientAuth',
    citation: 'RFC 5280 §4.2.1.12',
    fix: 'Issue it with clientAuth.',
    find: ({ extensions: { extendedKeyUsage: purposes } }) =>
      purposes !== undefined && !purposes.includes('clientAuth') && !purposes.includes('any'),
  },
  {
    id: 'purpose-client-with-host',
    varies: true,
    severity: 'notice',
    profiles: ['client'],
    about: 'for clients only, and its names are hosts: no client accepts it from a server',
    citation: 'RFC 5280 §4.2.1.12',
    fix: 'Issue it with serverAuth if a server is to present it.',
    find: ({ extensions, subjectAltNames }) =>
      extensions.extendedKeyUsage?.includes('clientAuth') === true &&
      subjectAltNames.length > 0 &&
      subjectAltNames.every(({ type }) => type === 'dns' || type === 'ip'),
  },
  {
    id: 'purpose-both',
    severity: 'notice',
    profiles: ['server'],
    about: "for servers and clients: a server's stolen key can also call as a client",
    citation: 'RFC 5280 §4.2.1.12, Chrome Root Program Policy 1.6 §3.2',
    fix: 'Issue two certificates, one for each purpose.',
    find: ({ extensions: { extendedKeyUsage: purposes } }) =>
      purposes?.includes('serverAuth') === true && purposes.includes('clientAuth'),
  },
  {
    id: 'purpose-any',
    severity: 'warning',
    profiles: LEAVES,
    about: 'anyExtendedKeyUsage: it is for everything, signing code included',
    citation: 'RFC 5280 §4.2.1.12, CA/Browser Forum BR §7.1.2.7.10',
    fix: 'Name the purposes.',
    find: ({ extensions }) => extensions.extendedKeyUsage?.includes('any'),
  },
  {
    id: 'purpose-twice',
    severity: 'warning',
    profiles: ALL,
    about: 'the same purpose twice',
    citation: 'RFC 5280 §4.2.1.12',
    fix: 'Name each purpose once.',
    find: ({ extensions: { extendedKeyUsage: purposes = [] } }) =>
      purposes.length > 1 && new Set(purposes).size < purposes.length,
  },
  {
    id: 'purpose-on-root',
    severity: 'warning',
    profiles: ['root'],
    about:
      'a root with an extended key usage: some clients hold it against everything below, others do not',
    citation: 'CA/Browser Forum BR §7.1.2.1.2',
    fix: 'Leave it out of roots; put it into issuers.',
    find: ({ extensions }) => extensions.get(OID.extendedKeyUsage) !== undefined,
  },
  {
    id: 'purpose-ocsp-without-nocheck',
    severity: 'warning',
    profiles: ['leaf'],
    about: 'a signer of OCSP answers without id-pkix-ocsp-nocheck: who would vouch for it?',
    citation: 'RFC 6960 §4.2.2.2.1',
    fix: 'Issue it with id-pkix-ocsp-nocheck, for days rather than years.',
    find: ({ extensions }) =>
      extensions.extendedKeyUsage?.includes('ocspSigning') === true &&
      extensions.get(OID.ocspNoCheck) === undefined,
  },
]
