/**
 * What another authority has issued, as rows of the ledger.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { Certificate, RevocationReason } from '@countersign/x509'
import { AuthorityError } from '../errors.ts'
import type { LedgerTables } from '../ledger-schema.ts'
import type { LedgerProfile } from '../profiles.ts'
import { nameText } from '../subject.ts'

/** A certificate of another authority: from its index, its folder, or both. */
export interface TakenCertificate {
  /** `undefined` where only the index knows of it: it is in lists and answers, and cannot be shown. */
  readonly certificate: Certificate | undefined
  /** Upper-case hex. */
  readonly serial: string
  readonly notAfter: Date
  readonly revokedAt: Date | undefined
  readonly reason: RevocationReason | undefined
  /** What to call it where there is no certificate. */
  readonly subject: string
  /** Where it was found, for the message: `index.txt, line 3`. */
  readonly source: string
}

/** A certificate authority that may have issued some of them. */
export interface TakenIssuer {
  readonly id: string
  readonly certificate: Certificate
}

/** A row of the ledger that may be revoked already, but stands in no list of ours. */
export type TakenRow = Omit<LedgerTables['certificate'], 'crl_partition' | 'revocation_ordinal'>

/** What is left out of the ledger, and why. */
export interface Skipped {
  readonly source: string
  readonly reason: string
}

/**
 * Turns them into rows.
 *
 * @param issuers - whoever issues now first: it has issued what has no certificate
 * @param rootId - where every chain leads
 * @throws {@link AuthorityError} `index-malformed` where a serial is there twice, or certificate and index differ;
 *   `import-refused` where the issuer itself was revoked
 */
export function takenRows(
  taken: readonly TakenCertificate[],
  issuers: readonly [TakenIssuer, ...TakenIssuer[]],
  rootId: string,
): { readonly rows: readonly TakenRow[]; readonly skipped: readonly Skipped[] } {
  const rows = new Map<string, TakenRow>()
  const skipped: Skipped[] = []
  for (const one of taken) {
    const { certificate, serial, source } = one
    if (certificate !== undefined && certificate.serialNumber !== serial) {
      throw malformed(`${source}: its certificate has serial ${certificate.serialNumber}`)
    }
    const own = issuers.find((issuer) => certificate?.equals(issuer.certificate))
    if (own !== undefined) {
      if (one.revokedAt === undefined) continue
      throw new AuthorityError('import-refused', `${source}: ${one.subject} was revoked itself`, {
        hint: 'leave the issuer out, and its key: the root gets an issuer of its own here',
      })
    }
    const issuer = issuerOf(certificate, issuers)
    if (issuer === undefined) {
      skipped.push({ source, reason: 'signed by another authority' })
      continue
    }
    const key = `${issuer.id} ${serial}`
    if (rows.has(key)) throw malformed(`${source}: serial ${serial} is there twice`)
    rows.set(key, rowOf(one, issuer, rootId))
  }
  return { rows: [...rows.values()], skipped }
}

function issuerOf(
  certificate: Certificate | undefined,
  issuers: readonly [TakenIssuer, ...TakenIssuer[]],
): TakenIssuer | undefined {
  if (certificate === undefined) return issuers[0]
  return issuers.find((issuer) => certificate.issuedBy(issuer.certificate))
}

function rowOf(one: TakenCertificate, { id }: TakenIssuer, rootId: string): TakenRow {
  const { certificate, serial, revokedAt, reason, notAfter, subject } = one
  const known =
    certificate === undefined
      ? {
          profile: 'both' as const,
          names: subject === '' ? serial : subject,
          key_type: 'unknown',
          fingerprint: createHash('sha256').update(`taken over ${id} ${serial}`).digest('hex'),
          certificate: new Uint8Array(),
          not_before: (revokedAt ?? notAfter).getTime(),
          not_after: notAfter.getTime(),
        }
      : factsOf(certificate)
  return {
    ca: id,
    serial,
    requester: 'import',
    ...known,
    issued_at: known.not_before,
    root: rootId,
    revoked_at: revokedAt?.getTime() ?? null,
    revocation_reason: reason ?? (revokedAt === undefined ? null : 'unspecified'),
  }
}

function factsOf(
  certificate: Certificate,
): Pick<
  TakenRow,
  'profile' | 'names' | 'key_type' | 'fingerprint' | 'certificate' | 'not_before' | 'not_after'
> {
  const { subject, subjectAltNames, publicKey } = certificate
  const commonName = subject.get('commonName')
  const texts = subjectAltNames.map(nameText)
  const names = [...new Set(commonName === undefined ? texts : [commonName, ...texts])]
  return {
    profile: profileOf(certificate),
    names: (names.length === 0 ? [subject.toString()] : names)
      .map((name) => name.replaceAll(/\p{Cc}/gu, '?'))
      .join('\n'),
    key_type: publicKey.type ?? publicKey.description,
    fingerprint: certificate.fingerprint,
    certificate: certificate.der,
    not_before: certificate.notBefore.getTime(),
    not_after: certificate.notAfter.getTime(),
  }
}

/** One without any purpose is good for all of them. */
function profileOf({ isCa, extensions }: Certificate): LedgerProfile {
  if (isCa) return 'authority'
  const usage = extensions.extendedKeyUsage ?? ['serverAuth', 'clientAuth']
  const [server, client] = [usage.includes('serverAuth'), usage.includes('clientAuth')]
  return server === client ? 'both' : server ? 'server' : 'client'
}

function malformed(message: string): AuthorityError {
  return new AuthorityError('index-malformed', message, {
    hint: 'two certificates of one authority never share a serial number: see which of them is in use',
  })
}
