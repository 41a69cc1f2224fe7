/**
 * Who answers in an issuer's place: a certificate for OCSP alone and its key, which lives in this process and nowhere else.
 *
 * With `id-pkix-ocsp-nocheck` nobody asks whether it is revoked itself (RFC 6960 §4.2.2.2.1), so it ends after a day.
 *
 * @module
 */
import { CountersignError } from '@countersign/core'
import {
  type Certificate,
  Name,
  PrivateKey,
  randomSerial,
  type SyncSigner,
} from '@countersign/x509'
import { keyIdOf } from './ca-certificates.ts'
import type { CaRecord } from './ca-records.ts'
import { AuthorityError } from './errors.ts'
import type { LedgerWriter } from './ledger-writer.ts'
import { buildLintedLater } from './lint-before-sign.ts'
import type { OverdueSignatures } from './overdue.ts'
import { backdate } from './validity.ts'

/** A responder that may answer for an issuer. */
export interface OcspDelegate {
  readonly certificate: Certificate
  readonly signer: SyncSigner
  /** When the next one takes its place: at two thirds of its life, in milliseconds since 1970. */
  readonly renewAtMs: number
}

/** Keeps the responder of one issuer current. */
export class OcspDelegation {
  readonly #record: CaRecord
  readonly #organization: string
  readonly #writer: LedgerWriter
  readonly #overdue: OverdueSignatures
  #newest: OcspDelegate | undefined
  #making: Promise<OcspDelegate> | undefined

  constructor(
    record: CaRecord,
    organization: string,
    writer: LedgerWriter,
    overdue: OverdueSignatures,
  ) {
    this.#record = record
    this.#organization = organization
    this.#writer = writer
    this.#overdue = overdue
  }

  /**
   * The responder of now; made where there is none or it is due, once for all who ask at the same time. Where that fails, the one of
   * before while it lasts.
   *
   * @throws {@link AuthorityError} `issuer-expired`, and as the issuer's key; StoreError
   */
  async current(now: Date): Promise<OcspDelegate> {
    const { id } = this.#record
    const newest = this.#newest
    const before = newest?.certificate.isValidAt(now) === true ? newest : undefined
    if (before !== undefined) {
      const isDue = now.getTime() >= before.renewAtMs
      if (!isDue || this.#overdue.isPaused('responder', id)) return before
    }
    this.#making ??= this.#makeNext(now, before?.certificate.notAfter).finally(() => {
      this.#making = undefined
    })
    try {
      return await this.#making
    } catch (error) {
      if (before === undefined || !(error instanceof CountersignError)) throw error
      return before
    }
  }

  async #makeNext(now: Date, until: Date | undefined): Promise<OcspDelegate> {
    const { id } = this.#record
    try {
      const made = await this.#make(now)
      this.#overdue.made('responder', id)
      return made
    } catch (error) {
      this.#overdue.failed('responder', id, until, error)
      throw error
    }
  }

  async #make(now: Date): Promise<OcspDelegate> {
    const { id, certificate: issuer, key: issuerKey } = this.#record
    const end = Math.min(now.getTime() + LIFETIME_MS, issuer.notAfter.getTime())
    if (end < now.getTime() + SHORTEST_MS) {
      throw new AuthorityError(
        'issuer-expired',
        `nobody can answer for ${issuer.subject.toString()}, which ends at ${issuer.notAfter.toISOString()}`,
      )
    }
    const key = await PrivateKey.generate(issuer.publicKey.type ?? 'p256')
    const start = backdate(now)
    const certificate = await buildLintedLater(
      {
        subject: Name.from({ organization: this.#organization, commonName: COMMON_NAME }),
        issuer: issuer.subject,
        publicKey: key.publicKey,
        serialNumber: randomSerial(),
        notBefore: start < issuer.notBefore ? issuer.notBefore : start,
        notAfter: new Date(end),
        extendedKeyUsage: ['ocspSigning'],
        authorityKeyId: keyIdOf(issuer),
        extraExtensions: [NO_CHECK],
      },
      await issuerKey.anySigner(),
      'ocsp',
    )
    await this.#writer.add(
      [
        {
          ca: id,
          serial: certificate.serialNumber,
          profile: 'ocsp',
          requester: REQUESTER,
          names: COMMON_NAME,
          key_type: key.publicKey.type ?? key.publicKey.description,
          fingerprint: certificate.fingerprint,
          certificate: certificate.der,
          not_before: certificate.notBefore.getTime(),
          not_after: certificate.notAfter.getTime(),
          issued_at: now.getTime(),
          root: this.#record.parent ?? '',
          crl_partition: 0,
        },
      ],
      { id, fingerprint: issuer.fingerprint },
    )
    const renewAtMs = now.getTime() + ((end - now.getTime()) * 2) / 3
    this.#newest = { certificate, signer: key.signer(), renewAtMs }
    return this.#newest
  }
}

const COMMON_NAME = 'OCSP responder'
const REQUESTER = 'the authority itself'
const LIFETIME_MS = 86_400_000
const SHORTEST_MS = 60_000
/** RFC 6960 §4.2.2.2.1: a NULL, not critical. */
const NO_CHECK = {
  oid: '1.3.6.1.5.5.7.48.1.5',
  critical: false,
  value: Uint8Array.of(0x05, 0x00),
} as const
