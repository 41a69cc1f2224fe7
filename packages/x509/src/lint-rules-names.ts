/**
 * Lint rules about subject alternative names: what clients compare, and the only place they look.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { X509Error } from './errors.ts'
import { type GeneralName, printGeneralName } from './general-name.ts'
import { normaliseHostName } from './host-name.ts'
import { isIP } from './ip-text.ts'
import { ALL, ALL_CLIENTS, type CertificateRule, LEAVES, type LintContext } from './lint-rule.ts'
import { looksLikeHost } from './lint-profile.ts'
import { OID } from './oid.ts'

/** The rules of this file. */
export const NAME_RULES: readonly CertificateRule[] = [
  {
    id: 'san-missing',
    severity: 'error',
    profiles: ['server'],
    about: 'a server without subject alternative names: the common name is not read',
    citation: 'RFC 9525 §6.3, CA/Browser Forum BR §7.1.2.7.12',
    fix: 'Issue it with every host name and address as a subject alternative name.',
    refusedBy: ['go', 'chromium', 'firefox'],
    find: ({ extensions }) => extensions.get(OID.subjectAltName) === undefined,
  },
  {
    id: 'client-san-missing',
    severity: 'notice',
    profiles: ['client', 'leaf'],
    about: 'a client without subject alternative names: its identity is a common name only',
    citation: 'RFC 5280 §4.2.1.6',
    fix: 'Issue it with an e-mail address or a URI such as a SPIFFE ID.',
    // A signer of OCSP answers is known by its key.
    find: ({ extensions }) =>
      extensions.get(OID.subjectAltName) === undefined &&
      extensions.extendedKeyUsage?.join() !== 'ocspSigning',
  },
  {
    id: 'san-empty',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'subject alternative names with nothing in them',
    citation: 'RFC 5280 §4.2.1.6',
    fix: 'Leave the extension out, or put the names into it.',
    find: ({ extensions }) => extensions.subjectAltName?.length === 0,
  },
  {
    id: 'san-not-critical',
    varies: true,
    severity: 'error',
    profiles: LEAVES,
    about: 'an empty subject, and subject alternative names that are not critical',
    citation: 'RFC 5280 §4.2.1.6',
    fix: 'Mark the subject alternative names critical where the subject is empty.',
    refusedBy: ['python-strict', 'java', 'chromium'],
    find: ({ subject, extensions }) =>
      subject.isEmpty && extensions.get(OID.subjectAltName)?.critical === false,
  },
  {
    id: 'san-critical',
    varies: true,
    severity: 'notice',
    profiles: LEAVES,
    about: 'critical subject alternative names beside a subject',
    citation: 'RFC 5280 §4.2.1.6',
    fix: 'Mark them critical only where the subject is empty.',
    find: ({ subject, extensions }) =>
      !subject.isEmpty && extensions.get(OID.subjectAltName)?.critical === true,
  },
  {
    id: 'san-twice',
    varies: true,
    severity: 'warning',
    profiles: ALL,
    about: 'the same subject alternative name twice',
    citation: 'RFC 5280 §4.2.1.6',
    fix: 'Write each name once.',
    find: ({ subjectAltNames }) => {
      if (subjectAltNames.length < 2) return undefined
      const seen = new Set<string>()
      for (const name of subjectAltNames) {
        const text = printGeneralName(name)
        const key = name.type === 'dns' ? text.toLowerCase() : text
        if (seen.has(key)) return `the name ${text} is there twice`
        seen.add(key)
      }
      return undefined
    },
  },
  {
    id: 'server-without-host',
    varies: true,
    severity: 'notice',
    profiles: ['server'],
    about: 'a server with neither host name nor address among its names',
    citation: 'RFC 9525 §6',
    fix: 'Add its host name, unless only SPIFFE clients call it.',
    find: ({ subjectAltNames }) =>
      subjectAltNames.length > 0 &&
      !subjectAltNames.some(({ type }) => type === 'dns' || type === 'ip'),
  },
  {
    id: 'common-name-not-among-names',
    varies: true,
    severity: 'warning',
    profiles: ['server'],
    about: 'a common name that looks like a host and is not among the subject alternative names',
    citation: 'CA/Browser Forum BR §7.1.4.3, RFC 9525 §2',
    fix: 'Add it to the subject alternative names, or drop the common name.',
    find: ({ subject, subjectAltNames }) => {
      if (subject.isEmpty || subjectAltNames.length === 0) return undefined
      const commonName = subject.get('commonName')
      if (commonName === undefined || !looksLikeHost(commonName)) return undefined
      const wanted = commonName.toLowerCase()
      const isThere = subjectAltNames.some(
        (name) => typeof name.value === 'string' && name.value.toLowerCase() === wanted,
      )
      return isThere ? undefined : `the common name ${commonName} is not among the names`
    },
  },
  {
    id: 'dns-name-is-address',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an IP address written as a DNS name',
    citation: 'RFC 5280 §4.2.1.6, RFC 9525 §6.4',
    fix: 'Write addresses as iPAddress; with openssl that is IP:10.0.0.1.',
    refusedBy: ALL_CLIENTS,
    find: (_, context) =>
      aboutDns(context, (name) => (isIP(name) ? 'is an IP address' : undefined)),
  },
  {
    id: 'dns-name-underscore',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an underscore in a DNS name',
    citation: 'RFC 5280 §4.2.1.6, RFC 1034 §3.5',
    fix: 'Use a hyphen in its place.',
    find: (_, context) =>
      aboutDns(context, (name) => (name.includes('_') ? 'has an underscore' : undefined)),
  },
  {
    id: 'dns-name-not-ascii',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'a DNS name with letters beyond ASCII',
    citation: 'RFC 5280 §7.2',
    fix: 'Write it in punycode: xn--….',
    find: (_, context) =>
      aboutDns(context, (name) => (ASCII.test(name) ? undefined : 'is not ASCII')),
  },
  {
    id: 'dns-name-upper-case',
    varies: true,
    severity: 'notice',
    profiles: ALL,
    about: 'a DNS name with capital letters',
    citation: 'RFC 9525 §6.3, RFC 5280 §7.2',
    fix: 'Write host names in lower case, as they are compared.',
    find: (_, context) =>
      aboutDns(context, (name) => (/[A-Z]/.test(name) ? 'has capital letters' : undefined)),
  },
  {
    id: 'dns-name-form',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'a DNS name that is no host name',
    citation: 'RFC 5280 §4.2.1.6, RFC 1034 §3.5',
    fix: 'Write letters, digits and inner hyphens, with one dot between labels and none at either end.',
    find: (_, context) =>
      aboutDns(context, (name) => {
        // Each of these has a rule of its own.
        if (!ASCII.test(name) || isIP(name)) return undefined
        const rest = name.replaceAll('_', 'x').replace(/^\*\./, '')
        return rest.includes('*') ? undefined : hostFault(rest)
      }),
  },
  {
    id: 'wildcard-form',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'a wildcard that is not the whole first label',
    citation: 'RFC 9525 §6.3',
    fix: 'Write *.corp.internal, or list the names.',
    find: (_, context) =>
      aboutDns(context, (name) =>
        name.includes('*') && (!name.startsWith('*.') || name.includes('*', 1))
          ? 'has a wildcard that is not its whole first label'
          : undefined,
      ),
  },
  {
    id: 'wildcard-too-wide',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'a wildcard over a whole top level',
    citation: 'RFC 9525 §7.1, CA/Browser Forum BR §3.2.2.6',
    fix: 'Put a domain of your own in between: *.corp.internal in the place of *.internal.',
    refusedBy: ['chromium', 'firefox'],
    find: (_, context) =>
      aboutDns(context, (name) =>
        /^\*\.[^.*]+\.?$/.test(name) ? 'stands for a whole top level' : undefined,
      ),
  },
  {
    id: 'ip-address-length',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an iPAddress of neither 4 nor 16 octets',
    citation: 'RFC 5280 §4.2.1.6',
    fix: 'Write 4 octets for IPv4 and 16 for IPv6, never the text of the address.',
    find: ({ subjectAltNames }) => {
      const name = subjectAltNames.find(({ type }) => type === 'invalid-ip')
      return name?.type === 'invalid-ip'
        ? `an iPAddress of ${name.value.length} octets, neither 4 nor 16`
        : undefined
    },
  },
  {
    id: 'ip-address-mapped',
    varies: true,
    severity: 'warning',
    profiles: ALL,
    about: 'an IPv4 address written as IPv6',
    citation: 'RFC 5280 §4.2.1.6, RFC 4291 §2.5.5.2',
    fix: 'Write IPv4 addresses with 4 octets.',
    find: (certificate) =>
      aboutKind(certificate, 'ip', (address) =>
        /^::ffff:[0-9a-f]{1,4}:[0-9a-f]{1,4}$/.test(address)
          ? 'is an IPv4 address written as IPv6'
          : undefined,
      ),
  },
  {
    id: 'email-form',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an e-mail name that is no mailbox in ASCII',
    citation: 'RFC 5280 §4.2.1.6, RFC 5321 §4.1.2',
    fix: 'Write local-part@domain, without a display name and without angle brackets.',
    find: (certificate) =>
      aboutKind(certificate, 'email', (mailbox) =>
        /^[\u0021-\u007e]+@[A-Za-z0-9.[\]:-]+$/.test(mailbox) && !/[<>]/.test(mailbox)
          ? undefined
          : 'is no mailbox in ASCII',
      ),
  },
  {
    id: 'uri-form',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'a URI that is relative, or not in ASCII',
    citation: 'RFC 5280 §4.2.1.6',
    fix: 'Write an absolute URI with its scheme, percent-encoded.',
    find: (certificate) =>
      aboutKind(certificate, 'uri', (uri) =>
        /^[A-Za-z][A-Za-z0-9+.-]*:[\u0021-\u007e]+$/.test(uri)
          ? undefined
          : 'is no absolute URI in ASCII',
      ),
  },
  {
    id: 'spiffe-id-several',
    varies: true,
    severity: 'notice',
    profiles: LEAVES,
    about: 'several SPIFFE IDs, or other URIs beside one: SPIFFE libraries refuse it',
    citation: 'SPIFFE X509-SVID §2',
    fix: 'Issue one certificate for each SPIFFE ID.',
    find: ({ subjectAltNames }) => {
      const uris = subjectAltNames.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
      return uris.length > 1 && uris.some((uri) => uri.toLowerCase().startsWith('spiffe:'))
    },
  },
]

/**
 * The DNS names of a certificate that are not plain host names; what is plain has none of the faults above. None where they cannot be
 * read.
 */
export function oddDnsNames(certificate: Certificate): readonly string[] {
  try {
    const odd: string[] = []
    for (const name of certificate.subjectAltNames) {
      if (name.type === 'dns' && !PLAIN_HOST.test(name.value)) odd.push(name.value)
    }
    return odd
  } catch (error) {
    // That they cannot be read is a finding of its own.
    if (!(error instanceof X509Error)) throw error
    return []
  }
}

/** The first odd name that has the problem. */
function aboutDns(
  { oddDnsNames: names }: LintContext,
  problem: (name: string) => string | undefined,
): string | undefined {
  for (const name of names) {
    const found = problem(name)
    if (found !== undefined) return `the name DNS:${name.slice(0, 300)} ${found}`
  }
  return undefined
}

/** The first name of the kind that has the problem. */
function aboutKind(
  { subjectAltNames }: Certificate,
  kind: GeneralName['type'],
  problem: (value: string) => string | undefined,
): string | undefined {
  for (const name of subjectAltNames) {
    if (name.type !== kind || typeof name.value !== 'string') continue
    const found = problem(name.value)
    if (found !== undefined) return `the name ${printGeneralName(name).slice(0, 300)} ${found}`
  }
  return undefined
}

function hostFault(host: string): string | undefined {
  try {
    normaliseHostName(host)
    return undefined
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    return `is no host name: ${error.message.split(' is no host name: ').at(-1) ?? ''}`
  }
}

/** Lower case, and at the end no number; so short that no length is at stake. */
const PLAIN_HOST =
  /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?(?:\.[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?){0,6}$/
const ASCII = /^\p{ASCII}*$/u
