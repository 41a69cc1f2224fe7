/**
 * How the clients that people use judge a chain: each a row of traits over the same search and the same checks.
 *
 * The source is a measurement of 42 chains with the versions named here; where a rule goes beyond it, it is the client's own
 * code or manual. No client looks at revocation unless it is given lists, and only those on OpenSSL take any.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import {
  CHAIN_CHECKS,
  type Check,
  checkCritical,
  checkName,
  checkPathLength,
  checkValidity,
  first,
} from './check-chain.ts'
import {
  anchorIsNotTheLeaf,
  constraintsAreOfKnownKinds,
  emptySubjectHasCriticalNames,
  isStrictForOpenssl,
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
import { type ClientId, SUPPORT } from './client-support.ts'
import { type CommonNameReading, checkNameConstraints } from './name-constraints.ts'
import { matchesNameLikeNode } from './openssl-name.ts'
import { checkReadableForOpenssl } from './readable.ts'
import { checkRevocation } from './revocation.ts'
import { checkHash, WEAK_HASHES } from './strength.ts'
import { checkAuthority, checkPurpose } from './usage.ts'

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
  client: ClientId
  names: NameRule
  more?: readonly Check[]
}

/** What the profile `openssl` checks, with names and keys of one program, and what it asks beyond. */
function onOpenssl({ client, names, more = [] }: OpensslTraits): readonly Check[] {
  return [...CHAIN_CHECKS, keysAre(SUPPORT[client].keys), nameBy(names), ...more, checkRevocation]
}

interface Traits {
  client: ClientId
  names: NameRule
  weakHashes: RegExp
  commonNames?: CommonNameReading
  /** Whether a root without basic constraints is an authority. @defaultValue false */
  takesBareRoots?: boolean
  more?: readonly Check[]
}

/** RFC 5280 §6.1 with the traits of a client that has its own code for it. */
function onItsOwn(traits: Traits): readonly Check[] {
  return [
    (chain) => first(chain, checkReadableForOpenssl),
    keysAre(SUPPORT[traits.client].keys),
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
    keysAre(SUPPORT[traits.client].keys),
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
  { client, commonNames = 'unread', takesBareRoots = false }: Traits,
  checksPurposes: boolean,
): readonly Check[] {
  const { handled } = SUPPORT[client]
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

/** In the order of the predictions. */
export const CLIENT_RULES: readonly ClientRules[] = [
  {
    client: 'node',
    name: 'Node 24',
    verifiesClients: true,
    isOpenssl: true,
    partialChains: false,
    checks: onOpenssl({ client: 'node', names: matchesNameLikeNode }),
  },
  {
    client: 'curl',
    name: 'curl 7.88',
    verifiesClients: false,
    isOpenssl: true,
    partialChains: true,
    checks: onOpenssl({ client: 'curl', names: matchesNameLikeCurl }),
  },
  {
    client: 'python',
    name: 'Python 3.11',
    verifiesClients: true,
    isOpenssl: true,
    partialChains: false,
    checks: onOpenssl({ client: 'python', names: matchesNameLikePython }),
  },
  {
    client: 'python-strict',
    name: 'Python 3.13',
    verifiesClients: true,
    isOpenssl: true,
    partialChains: true,
    checks: onOpenssl({
      client: 'python-strict',
      names: matchesNameLikePython,
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
      client: 'go',
      names: matchesNameLikeGo,
      weakHashes: WEAK_HASHES.openssl,
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
      client: 'java',
      names: matchesNameLikeJava,
      weakHashes: /md[245]/i,
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
      client: 'chromium',
      names: matchesAlternativeName,
      weakHashes: WEAK_HASHES.openssl,
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
      client: 'firefox',
      names: matchesAlternativeName,
      weakHashes: WEAK_HASHES.openssl,
    }),
  },
]
