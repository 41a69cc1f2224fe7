/**
 * How the clients that people use judge a chain: each a row of traits over the same search and the same checks.
 *
 * The source is a measurement of 42 chains with the versions named here; where a rule goes beyond it, it is the client's own
 * code or manual. No client looks at revocation unless it is given lists, and only those on OpenSSL take any.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import type { PublicKey } from '../public-key.ts'
import { OID } from '../oid.ts'
import {
  CHAIN_CHECKS,
  type Check,
  checkCritical,
  checkName,
  checkPathLength,
  checkValidity,
  first,
  HANDLED,
} from './check-chain.ts'
import {
  anchorIsNotTheLeaf,
  constraintsAreOfKnownKinds,
  emptySubjectHasCriticalNames,
  isStrictForOpenssl,
  type KeyRule,
  keysAre,
  checkJavaAnchor,
  leafMaySign,
} from './client-checks.ts'
import {
  matchesAlternativeName,
  matchesNameLikeCurl,
  matchesNameLikeGo,
  matchesNameLikeJava,
  matchesNameLikePython,
  type NameRule,
} from './client-names.ts'
import { type CommonNameReading, checkNameConstraints } from './name-constraints.ts'
import { matchesNameLikeNode } from './openssl-name.ts'
import { checkReadableForOpenssl } from './readable.ts'
import { checkRevocation } from './revocation.ts'
import { checkHash, rsaBits, WEAK_HASHES } from './strength.ts'
import { checkAuthority, checkPurpose } from './usage.ts'

/** A client whose judgement is predicted. `python-strict` is CPython from 3.13 on, whose default context is strict. */
export type ClientId =
  | 'node'
  | 'curl'
  | 'python'
  | 'python-strict'
  | 'go'
  | 'java'
  | 'chromium'
  | 'firefox'

/** How one client judges. */
export interface ClientRules {
  readonly client: ClientId
  /** For people, with the version that was measured. */
  readonly name: string
  /** Whether it also stands as a server that asks clients for certificates. */
  readonly verifiesClients: boolean
  /** Whether it looks for chains as OpenSSL does: by name and key identifier, without turning back. */
  readonly isOpenssl: boolean
  readonly partialChains: boolean
  readonly checks: readonly Check[]
}

interface OpensslTraits {
  names: NameRule
  keys?: KeyRule
  more?: readonly Check[]
}

/** What the profile `openssl` checks, with names and keys of one program, and what it asks beyond. */
function onOpenssl({ names, keys, more = [] }: OpensslTraits): readonly Check[] {
  return [
    ...CHAIN_CHECKS,
    ...(keys === undefined ? [] : [keysAre(keys)]),
    nameBy(names),
    ...more,
    checkRevocation,
  ]
}

interface Traits {
  names: NameRule
  keys: KeyRule
  weakHashes: RegExp
  handled: ReadonlySet<string>
  commonNames?: CommonNameReading
  /** Whether a root without basic constraints is an authority. @defaultValue false */
  takesBareRoots?: boolean
  more?: readonly Check[]
}

/** RFC 5280 §6.1 with the traits of a client that has its own code for it. */
function onItsOwn(traits: Traits): readonly Check[] {
  return [
    (chain) => first(chain, checkReadableForOpenssl),
    keysAre(traits.keys),
    (chain) =>
      first(chain.slice(0, -1), (certificate) => checkHash(certificate, traits.weakHashes)),
    ...pathChecks(traits, true),
    nameBy(traits.names),
    ...(traits.more ?? []),
  ]
}

/** Java trusts a name and a key: of the anchor's certificate it asks only that it is an authority, not even that it is valid. */
function onJava(traits: Traits): readonly Check[] {
  const below = pathChecks(traits, false)
  return [
    (chain) => first(chain, checkReadableForOpenssl),
    keysAre(traits.keys),
    (chain) =>
      first(chain.slice(0, -1), (certificate) => checkHash(certificate, traits.weakHashes)),
    (chain) => first(chain.slice(1).slice(-1), checkJavaAnchor),
    ...below.map(
      (check): Check =>
        (chain, ...rest) =>
          check(chain.slice(0, -1), ...rest),
    ),
    (chain, { purpose }) =>
      purpose === 'any' ? undefined : checkPurpose(chain.slice(0, 1), purpose, 'any-counts'),
    nameBy(traits.names),
    ...(traits.more ?? []),
  ]
}

function pathChecks(
  { handled, commonNames = 'unread', takesBareRoots = false }: Traits,
  checksPurposes: boolean,
): readonly Check[] {
  return [
    (chain, { time }) => first(chain, (certificate) => checkValidity(certificate, time, true)),
    (chain) => first(chain, (certificate) => checkCritical(certificate, handled)),
    (chain) =>
      first(chain.slice(1), (certificate) =>
        takesBareRoots && certificate === chain.at(-1) && isBare(certificate)
          ? undefined
          : checkAuthority(certificate, false),
      ),
    checkPathLength,
    (chain, _settings, budget) => checkNameConstraints(chain, false, budget, commonNames),
    (chain, { purpose }) =>
      purpose === 'any' || !checksPurposes ? undefined : checkPurpose(chain, purpose, 'any-counts'),
  ]
}

function isBare({ extensions }: Certificate): boolean {
  const { basicConstraints, keyUsage } = extensions
  return basicConstraints === undefined && keyUsage?.includes('keyCertSign') !== false
}

/** A server does not compare the names of those who call it. */
function nameBy(matches: NameRule): Check {
  return ([leaf], { name, purpose }) =>
    leaf === undefined || name === undefined || purpose === 'client'
      ? undefined
      : checkName(leaf, name, matches)
}

function keysOf(fewestRsaBits: number, ...others: readonly string[]): KeyRule {
  return {
    accepts: (key: PublicKey) => {
      const bits = rsaBits(key)
      return bits === undefined ? others.includes(key.description) : bits >= fewestRsaBits
    },
    needed: [...others, `RSA of ${fewestRsaBits} bits or more`].join(', '),
  }
}

/** OpenSSL 3.0; what its security level asks is asked of every client on OpenSSL. */
const OPENSSL_3_0: KeyRule = {
  accepts: ({ description }) => !description.startsWith('ML-DSA'),
  needed: 'RSA, elliptic curves, Ed25519 or Ed448',
}
const GO_KEYS = keysOf(1, 'P-224', 'P-256', 'P-384', 'P-521', 'Ed25519')
const JAVA_KEYS = keysOf(1024, 'P-256', 'P-384', 'P-521', 'Ed25519', 'Ed448')
const FIREFOX_KEYS = keysOf(1024, 'P-256', 'P-384', 'P-521')
const CHROMIUM_KEYS = keysOf(1024, 'P-256', 'P-384', 'P-521', 'ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87')
/** `processExtensions` of crypto/x509 knows these not at all; newer ones than the measured one know the policies. */
const HANDLED_BY_GO: ReadonlySet<string> = HANDLED.strict.difference(
  new Set<string>([OID.policyConstraints, OID.policyMappings, OID.inhibitAnyPolicy]),
)

/** It refuses key identifiers that are critical. */
const HANDLED_BY_CHROMIUM: ReadonlySet<string> = HANDLED.strict.difference(
  new Set<string>([OID.authorityKeyIdentifier, OID.subjectKeyIdentifier]),
)

/** In the order of the predictions. */
export const CLIENT_RULES: readonly ClientRules[] = [
  {
    client: 'node',
    name: 'Node 24',
    verifiesClients: true,
    isOpenssl: true,
    partialChains: false,
    checks: onOpenssl({ names: matchesNameLikeNode }),
  },
  {
    client: 'curl',
    name: 'curl 7.88',
    verifiesClients: false,
    isOpenssl: true,
    partialChains: true,
    checks: onOpenssl({ names: matchesNameLikeCurl, keys: OPENSSL_3_0 }),
  },
  {
    client: 'python',
    name: 'Python 3.11',
    verifiesClients: true,
    isOpenssl: true,
    partialChains: false,
    checks: onOpenssl({ names: matchesNameLikePython, keys: OPENSSL_3_0 }),
  },
  {
    client: 'python-strict',
    name: 'Python 3.13',
    verifiesClients: true,
    isOpenssl: true,
    partialChains: true,
    checks: onOpenssl({
      names: matchesNameLikePython,
      keys: OPENSSL_3_0,
      more: [isStrictForOpenssl],
    }),
  },
  {
    client: 'go',
    name: 'Go 1.19',
    verifiesClients: true,
    isOpenssl: false,
    partialChains: true,
    checks: onItsOwn({
      names: matchesNameLikeGo,
      keys: GO_KEYS,
      weakHashes: WEAK_HASHES.openssl,
      handled: HANDLED_BY_GO,
      more: [constraintsAreOfKnownKinds],
    }),
  },
  {
    client: 'java',
    name: 'Java 17',
    verifiesClients: true,
    isOpenssl: false,
    partialChains: true,
    checks: onJava({
      names: matchesNameLikeJava,
      keys: JAVA_KEYS,
      weakHashes: /md[245]/i,
      handled: HANDLED.openssl,
      commonNames: 'always',
      more: [leafMaySign, emptySubjectHasCriticalNames],
    }),
  },
  {
    client: 'chromium',
    name: 'Chromium 156',
    verifiesClients: false,
    isOpenssl: false,
    partialChains: true,
    checks: onItsOwn({
      names: matchesAlternativeName,
      keys: CHROMIUM_KEYS,
      weakHashes: WEAK_HASHES.openssl,
      handled: HANDLED_BY_CHROMIUM,
      takesBareRoots: true,
      more: [leafMaySign, emptySubjectHasCriticalNames, anchorIsNotTheLeaf],
    }),
  },
  {
    client: 'firefox',
    name: 'Firefox 153',
    verifiesClients: false,
    isOpenssl: false,
    partialChains: true,
    checks: onItsOwn({
      names: matchesAlternativeName,
      keys: FIREFOX_KEYS,
      weakHashes: WEAK_HASHES.openssl,
      handled: HANDLED.strict,
    }),
  },
]
