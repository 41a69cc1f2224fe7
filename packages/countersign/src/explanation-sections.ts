/**
 * The sections of an explanation, each as lines that are not wrapped yet.
 *
 * Not here: the verdict, the chain and the ways out (`explanation-text.ts`).
 *
 * @module
 */
import type { BrokenLink, Explanation } from '@countersign/tls'
import { together } from './columns.ts'

/** What the verdict and the chain have not said yet: where the issuer was looked for, and what was held against what. */
export function brokenLinkLines({ brokenLink: link, chain: all, message }: Explanation): string[] {
  if (link === undefined) return []
  const one = link.position === undefined ? undefined : all[link.position]
  const said = message.includes(link.message) || one?.problem === link.message
  return [...(said ? [] : [link.message]), ...linkFacts(link)]
}

function linkFacts(link: BrokenLink): string[] {
  switch (link.code) {
    case 'untrusted-root':
    case 'missing-intermediate':
    case 'key-mismatch':
    case 'bad-signature': {
      const { issuer, keyId, candidates } = link.facts
      return [
        `wanted: ${issuer}${keyId === undefined ? '' : ` with the key ${keyId}`}`,
        ...candidates.slice(0, MOST_LISTED).map(({ keyId: key, fingerprint, from }) => {
          const where = from === 'roots' ? 'in the trust store' : 'sent'
          return `of that name: key ${key ?? 'not named'}, ${short(fingerprint)}, ${where}`
        }),
      ]
    }
    case 'name-constraint': {
      const { constrainedBy, constraints, rule } = link.facts
      const verb = rule === 'excluded' ? 'excludes' : 'permits'
      return [`${constrainedBy} ${verb}: ${someOf(constraints)}`]
    }
    case 'wrong-purpose': {
      const { keyUsage = ['anything'], extendedKeyUsage = ['anything'] } = link.facts
      return [`it is for: ${someOf(extendedKeyUsage)}; its key for: ${someOf(keyUsage)}`]
    }
    case 'not-a-ca': {
      const { ca, keyUsage = ['anything'] } = link.facts
      const constraints = ca === undefined ? 'absent' : ca ? 'CA:TRUE' : 'CA:FALSE'
      return [`its basic constraints: ${constraints}; its key for: ${someOf(keyUsage)}`]
    }
    case 'weak-crypto':
      return [`found: ${link.facts.found}`, `needed: ${link.facts.needed}`]
    case 'revoked': {
      const { date, reason } = link.facts
      const why = reason === undefined ? '' : `, reason ${reason}`
      const by =
        link.facts.source === 'crl'
          ? `the list of ${link.facts.crlIssuer}`
          : `the OCSP responder ${link.facts.responder}`
      return [`revoked on ${seconds(date.toISOString())}${why}, by ${by}`]
    }
    case 'crl-missing':
    case 'crl-stale': {
      const { distributionPoints, ocspResponders, unusable } = link.facts
      const places = [...distributionPoints, ...ocspResponders]
      return [
        `revocation is told at: ${someOf(places) || 'no place that the certificate names'}`,
        ...unusable
          .slice(0, MOST_LISTED)
          .map(({ issuer, why }) => `not usable: the list of ${issuer}, ${why}`),
      ]
    }
    case 'path-too-long': {
      const { limit, found } = link.facts
      return [`allowed below it: ${limit} intermediate${limit === 1 ? '' : 's'}, found: ${found}`]
    }
    case 'critical-extension': {
      const { oid, name } = link.facts
      return [`the extension: ${oid}${name === undefined ? '' : ` (${name})`}`]
    }
    // The verdict says it all, or the section of names does.
    case 'expired':
    case 'name-mismatch':
    case 'not-yet-valid':
    case 'rejected-by-policy':
    case 'self-signed':
    case 'untrusted-root-sent':
      break
  }
  return []
}

/** How many are trusted, from where, and which source won. */
export function trustStoreLines({ trust, chain }: Explanation): string[] {
  // Nothing was seen that anybody could have looked for.
  if (chain.length === 0) return []
  const sources = trust.sources.map(({ name: source, path, count }) =>
    [asOption(source), path, `(${count})`].filter((part) => part !== undefined).join(' '),
  )
  // How many each source gave is said already.
  const said = trust.trace.filter((line) => !/(?::| added) \d+ certificates?$/.test(line))
  return [
    `${trust.count} certificate${trust.count === 1 ? '' : 's'}`,
    ...sources.slice(0, MOST_LISTED),
    ...beaten(said).map(asOption),
  ]
}

/** `a beat b` and `a beat c` as one line. */
function beaten(trace: readonly string[]): string[] {
  const groups = Map.groupBy(trace, (line) => line.split(' beat ')[0] ?? '')
  return [...groups].map(([winner, lines]) => {
    const losers = lines.flatMap((line) => line.split(' beat ').slice(1))
    return losers.length === 0 ? winner : `${winner} beat ${losers.join(', ')}`
  })
}

/** Where else the missing certificate lies. */
export function elsewhereLines({ elsewhere: places }: Explanation): string[] {
  return places
    .slice(0, MOST_LISTED)
    .map(({ name: place, path, certificate: one, sameNameOnly }) => {
      const where = path === undefined ? place : `${path} (${place})`
      const other = sameNameOnly ? ', of that name with another key' : ''
      return `${where}: ${one.subject}, ${short(one.fingerprint)}${other}`
    })
}

/** Whether the certificate is for the name, and what nearly fits. */
export function nameLines({ name: check }: Explanation): string[] {
  if (check === undefined) return []
  const held = check.presented.length === 0 ? 'no name' : someOf(check.presented)
  return [
    check.matches
      ? `${check.wanted} is among the names of the certificate`
      : `${check.wanted} is not among the names of the certificate: ${held}`,
    ...check.nearMisses.map(({ text }) => `nearly: ${text}`),
  ]
}

/** Whose clock says what. */
export function clockLines({ clock: { local, server, skewMs }, chain }: Explanation): string[] {
  if (chain.length === 0) return []
  const ours = `here ${seconds(local)}`
  if (server === undefined || skewMs === undefined) return [ours]
  const apart = Math.round(skewMs / 1000)
  const words =
    Math.abs(apart) < 2 ? 'the same' : `${Math.abs(apart)} s ${apart > 0 ? 'ahead' : 'behind'}`
  return [`${ours}, there ${seconds(server)}: ${words}`]
}

/** What was agreed with the server. */
export function connectionLines({ connection: made }: Explanation): string[] {
  if (made === undefined) return []
  const { address, port, protocol, cipher, group, alpn } = made
  const where =
    address === undefined ? undefined : `${address}${port === undefined ? '' : ` port ${port}`}`
  const agreed = [
    group === undefined ? undefined : `key exchange ${group}`,
    // Nothing more is agreed on where the handshake ended early.
    cipher === undefined ? undefined : `application protocol ${alpn ?? 'not agreed on'}`,
  ]
  return [[where, protocol, cipher], agreed]
    .map((parts) => parts.filter((part) => part !== undefined).join(', '))
    .filter((line) => line !== '')
}

/** What the server wants of a client, and what it got. */
export function clientCertificateLines({ clientCertificates: story }: Explanation): string[] {
  if (story === undefined) return []
  const { demand, acceptedAuthorities, offered, offeredFits, accepted } = story
  const outcome = accepted === undefined ? '' : accepted ? ', accepted' : ', not accepted'
  return [
    DEMANDS[demand],
    ...(demand === 'none' || acceptedAuthorities.length === 0
      ? []
      : [`accepted authorities: ${someOf(acceptedAuthorities)}`]),
    ...(offered === undefined
      ? []
      : [
          `offered: ${offered.subject || offered.names[0]}, issued by ${offered.issuer}, valid to ${offered.notAfter.slice(0, 10)}${outcome}`,
        ]),
    ...(offeredFits === false ? ['what was offered is of none of these authorities'] : []),
  ]
}

/** Who else would believe the chain, and who would not; nothing where all do. */
export function otherClientLines({ clients, code }: Explanation): string[] {
  const refusing = clients.filter(({ ok }) => !ok)
  const believing = clients.filter(({ ok }) => ok).map(({ name }) => name)
  if (refusing.length === 0) return []
  const groups = Map.groupBy(refusing, (one) => (one.code === code ? undefined : one.message))
  return [
    ...[...groups].map(([message, all]) => {
      const names = all.map(({ name }) => name).join(', ')
      if (message === undefined) return `would refuse the chain too: ${names}`
      return `would refuse the chain: ${names}: ${message} [${all[0]?.code}]`
    }),
    ...(believing.length === 0
      ? []
      : [`would take it, given the same roots: ${believing.join(', ')}`]),
  ]
}

/** The libraries speak of `option ca`; at the command line the same is called --ca. */
export function asOption(text: string): string {
  return text.replaceAll('option extraCa', '--extra-ca').replaceAll('option ca', '--ca')
}

/** The first of a list, and how many more there are. */
export function someOf(texts: readonly string[]): string {
  const more = texts.length - MOST_LISTED
  return texts.slice(0, MOST_LISTED).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

/** Enough of a fingerprint to tell it from others by eye; `--json` has it whole. */
export function short(fingerprint: string): string {
  return together(`sha256 ${fingerprint.slice(0, 16)}…`)
}

function seconds(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')
}

const MOST_LISTED = 8

const DEMANDS = {
  none: 'not asked for',
  asked: 'asked for',
  required: 'required',
} as const
