/**
 * Where else on this machine the certificate lies that a trust store lacks.
 *
 * @module
 */
import { checkOptions, CoreError, waitFor } from '@countersign/core'
import { type Certificate, type Name, X509Error } from '@countersign/x509'
import { certificateFacts } from './certificate-facts.ts'
import type { Environment } from './trust-environment.ts'
import type { Place, PlaceKind } from './trust-place.ts'
import { type Spot, usualSpots } from './trust-place-list.ts'
import {
  certificatesOf,
  filesOf,
  type ReadBudget,
  readBudget,
  realPathOf,
} from './trust-place-reader.ts'
import { bundledRoots, systemRoots } from './trust-roots.ts'
import type { TrustStore } from './trust-store.ts'

export type { Place } from './trust-place.ts'

/** What {@link findElsewhere} looks for, and where. */
export interface PlacesQuery {
  /** The subject of the missing certificate: the issuer that the last certificate of a chain names. */
  issuer: Name
  /** The key identifier that is wanted, lower-case hex; candidates that have it are looked at first. @defaultValue none */
  keyId?: string | undefined
  /** Whether the candidate's key made the signature; asked at most 64 times, only for those of the same name. */
  isIssuer: (candidate: Certificate) => boolean
  /** Where it was looked for already; what it holds is not elsewhere. */
  consulted: TrustStore
  /** Variables that name bundles and folders. @defaultValue `process.env` */
  env?: Environment | undefined
  /** What relative paths start from, itself one of the places. @defaultValue the current folder */
  folder?: string | undefined
  /** Milliseconds after which what was found so far is answered; 0 waits for ever. @defaultValue 2000 */
  timeoutMs?: number | undefined
}

/**
 * Looks for a missing certificate where this machine may hold it: data folders, mkcert, step, Caddy and others, the current
 * folder, every bundle that an environment variable names, the system's roots and those built into Node.
 *
 * Never fails on a place it cannot read. Bounded: 1,000 files, 8 MiB each, 64 MiB together, 64 signatures, 20 answers.
 *
 * @returns those that made the signature first, then those that only have the name; within each, places of one authority
 * before bundles of many
 * @throws CoreError `option-unknown`, `option-invalid` for a time-out that is none
 */
export async function findElsewhere(query: PlacesQuery): Promise<Place[]> {
  checkOptions(query, QUERY_OPTIONS, 'findElsewhere')
  const { env = process.env, folder = process.cwd(), timeoutMs = 2000 } = query
  const found: Candidate[] = []
  const spots = usualSpots(env, folder)
  try {
    await waitFor('places of certificates', { timeoutMs }, () =>
      search(query, spots, readBudget(timeoutMs), found),
    )
  } catch (error) {
    // A file system that does not answer must not hold up the answer.
    if (!(error instanceof CoreError) || error.code !== 'wait-timeout') throw error
  }
  searchRoots(query, found)
  return judged(query, found).slice(0, MOST_PLACES)
}

interface Candidate {
  readonly certificate: Certificate
  readonly kind: PlaceKind
  /** More than one where several variables name the same file. */
  readonly names: Set<string>
  readonly path: string | undefined
  readonly ca: string
  readonly command?: string | undefined
}

async function search(
  query: PlacesQuery,
  spots: readonly Spot[],
  budget: ReadBudget,
  found: Candidate[],
): Promise<void> {
  /** Files by their real path: one bundle is often named by a dozen variables. */
  const seen = new Map<string, Set<string>>()
  for (const { kind, name, path: place } of spots) {
    for (const file of await filesOf(place, budget)) {
      const real = await realPathOf(file)
      if (real === undefined) continue
      const known = seen.get(real)
      known?.add(name)
      if (known !== undefined) continue
      const names = new Set([name])
      seen.set(real, names)
      const certificates = await certificatesOf(file, budget)
      const wanted = certificates.filter((one) => isWanted(query, one)).slice(0, MOST_OF_A_FILE)
      for (const certificate of wanted) {
        found.push({ certificate, kind, names, path: file, ca: file })
      }
    }
  }
}

function searchRoots(query: PlacesQuery, found: Candidate[]): void {
  for (const kind of ['system', 'bundled'] as const) {
    try {
      const { source, certificates } = kind === 'system' ? systemRoots() : bundledRoots()
      const { path } = source
      const shared = { kind, path, names: new Set([kind]) }
      for (const certificate of certificates) {
        if (!isWanted(query, certificate)) continue
        found.push({
          ...shared,
          certificate,
          ...(path === undefined ? ROOTS_WITHOUT_FILE[kind] : { ca: path }),
        })
      }
    } catch {
      // A system whose roots cannot be read is one more place without the certificate.
    }
  }
}

function isWanted({ issuer, consulted }: PlacesQuery, certificate: Certificate): boolean {
  const sameName = readable(() => certificate.subject.equals(issuer)) ?? false
  return sameName && !consulted.has(certificate.fingerprint)
}

/** Asks who made the signature, each certificate once, and puts the answers in order. */
function judged({ keyId, isIssuer }: PlacesQuery, found: readonly Candidate[]): Place[] {
  const verdicts = new Map<string, boolean>()
  const fits = (candidate: Candidate): number => (keyIdOf(candidate) === keyId ? 0 : 1)
  for (const { certificate } of found.toSorted((one, other) => fits(one) - fits(other))) {
    const { fingerprint } = certificate
    if (verdicts.has(fingerprint) || verdicts.size >= MOST_SIGNATURES) continue
    // One whose key is of a kind that nobody here can check did not sign as far as we know.
    verdicts.set(fingerprint, readable(() => isIssuer(certificate)) ?? false)
  }
  const places = new Map<string, Place>()
  for (const sameNameOnly of [false, true]) {
    for (const candidate of found) {
      const { certificate, path, kind } = candidate
      const key = path ?? kind
      // One answer a place: beside the certificate itself an old one does no harm.
      if (verdicts.get(certificate.fingerprint) !== !sameNameOnly || places.has(key)) continue
      const place = readable(() => placeOf(candidate, sameNameOnly))
      if (place !== undefined) places.set(key, place)
    }
  }
  return [...places.values()]
}

function placeOf(candidate: Candidate, sameNameOnly: boolean): Place {
  const { certificate, kind, names, path, ca, command } = candidate
  return {
    kind,
    name: [...names].join(', '),
    path,
    certificate: certificateFacts(certificate),
    keyId: certificate.subjectKeyId,
    ca,
    command,
    sameNameOnly,
  }
}

function keyIdOf({ certificate }: Candidate): string | undefined {
  return readable(() => certificate.subjectKeyId)
}

/** Nobody vouches for what lies in these places: a part that cannot be read is not there. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof X509Error) return undefined
    throw error
  }
}

const ROOTS_WITHOUT_FILE = {
  system: {
    ca: 'system-roots.pem',
    command: String.raw`node -p "require('node:tls').getCACertificates('system').join('\n')" > system-roots.pem`,
  },
  bundled: {
    ca: 'node-roots.pem',
    command: String.raw`node -p "require('node:tls').rootCertificates.join('\n')" > node-roots.pem`,
  },
}

const MOST_OF_A_FILE = 64
const MOST_SIGNATURES = 64
const MOST_PLACES = 20
const QUERY_OPTIONS: readonly string[] = [
  'issuer',
  'keyId',
  'isIssuer',
  'consulted',
  'env',
  'folder',
  'timeoutMs',
]
