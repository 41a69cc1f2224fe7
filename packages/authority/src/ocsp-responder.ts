/**
 * The OCSP responder (RFC 6960): a request in, a response out, whatever happens.
 *
 * The ledger is asked for every answer, so a revocation holds at once, in every process. What is kept is the signature: the same
 * answer to the same question, asked without a nonce, is signed once in half an hour.
 *
 * Not here: HTTP, which is `ocsp-routes.ts`.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import { StoreError } from '@countersign/store'
import {
  type OcspAnswer,
  type OcspCertId,
  OcspRequest,
  OcspResponse,
  X509Error,
} from '@countersign/x509'
import type { CaRecord } from './ca-records.ts'
import { AuthorityError } from './errors.ts'
import type { Ledger, RevocationState } from './ledger.ts'
import { type LedgerWriter, StaleIssuerError } from './ledger-writer.ts'
import { OcspDelegation } from './ocsp-delegate.ts'
import type { OverdueSignatures } from './overdue.ts'
import { parseRevocationReason } from './reasons.ts'
import { backdate, checkedNow } from './validity.ts'

/** What a responder is made of. */
export interface OcspResponderParts {
  /** Every generation of root and issuer, as it is now. */
  readonly records: () => Promise<readonly CaRecord[]>
  readonly ledger: Ledger
  readonly writer: LedgerWriter
  readonly organization: string
  readonly clock: Clock
  /** Told why there was no answer where that is a fault of ours. */
  readonly onFault: (error: unknown) => void
  readonly overdue: OverdueSignatures
}

/** A response and how long it holds. */
export interface OcspReply {
  readonly der: Uint8Array
  /** Where the response may be kept and given to others who ask the same. */
  readonly kept:
    | { readonly thisUpdate: Date; readonly nextUpdate: Date; readonly now: Date }
    | undefined
}

/** Answers for every issuer of the authority. */
export class OcspResponder {
  readonly #parts: OcspResponderParts
  #issuers: readonly Issuer[] = []
  readonly #signed = new Map<string, SignedAnswer>()

  constructor(parts: OcspResponderParts) {
    this.#parts = parts
  }

  /**
   * Answers one request. Never rejects: what cannot be answered is one of the refusals of RFC 6960 §2.3.
   *
   * @param read - reads the request; what it throws as X509Error is `malformedRequest`
   */
  async answer(read: () => OcspRequest): Promise<OcspReply> {
    try {
      const request = read()
      if (request.unknownCriticalExtensions.length > 0) return refusal('malformedRequest')
      const issuer = await this.#issuerOf(request.ids)
      // RFC 5019 §2.2.3: a responder that cannot say, and not one that knows of no such certificate.
      if (issuer === undefined) return refusal('unauthorized')
      return await this.#answerFor(issuer, request)
    } catch (error) {
      if (error instanceof X509Error && REQUEST_FAULTS.has(error.code)) {
        return refusal('malformedRequest')
      }
      this.#parts.onFault(error)
      return refusal(mayPass(error) ? 'tryLater' : 'internalError')
    }
  }

  /** The one issuer that every id names; `undefined` where there is none. */
  async #issuerOf(ids: readonly OcspCertId[]): Promise<Issuer | undefined> {
    const { records, organization, writer, overdue } = this.#parts
    // The root's key may lie offline, and its list is good for a year: nobody answers for it here.
    this.#issuers = (await records())
      .filter(({ kind, state }) => kind === 'issuer' && state !== 'retired')
      .map(
        (record) =>
          this.#issuers.find((one) => one.record === record) ?? {
            record,
            delegation: new OcspDelegation(record, organization, writer, overdue),
          },
      )
    return this.#issuers.find(({ record }) => ids.every((id) => id.isFrom(record.certificate)))
  }

  async #answerFor(issuer: Issuer, request: OcspRequest): Promise<OcspReply> {
    const now = checkedNow(this.#parts.clock)
    const { record, delegation } = issuer
    const serials = request.ids.map(({ serialNumber }) => serialNumber)
    const states = await this.#parts.ledger.revocationStates(record.id, serials)
    const key = request.ids
      .map(
        (id) => `${Buffer.from(id.der).toString('hex')} ${describe(states.get(id.serialNumber))}`,
      )
      .join('\n')
    const before = request.nonce === undefined ? this.#signed.get(key) : undefined
    if (before !== undefined && now >= before.thisUpdate && now < before.renewAt) {
      return { der: before.der, kept: { ...before, now } }
    }
    const { certificate: delegate, signer } = await delegation.current(now)
    const thisUpdate = backdate(now)
    const end = Math.min(now.getTime() + LIFETIME_MS, delegate.notAfter.getTime())
    const nextUpdate = new Date(end)
    const { der } = OcspResponse.build(
      {
        issuer: record.certificate,
        delegate,
        answers: request.ids.map((id) =>
          answerOf(id, states.get(id.serialNumber), thisUpdate, nextUpdate),
        ),
        producedAt: now,
        nonce: request.nonce,
      },
      signer,
    )
    if (request.nonce !== undefined) return { der, kept: undefined }
    this.#keep(key, {
      der,
      thisUpdate,
      nextUpdate,
      renewAt: new Date((now.getTime() + end) / 2),
    })
    return { der, kept: { thisUpdate, nextUpdate, now } }
  }

  /** The oldest goes first: after half an hour it is of no use anyway. */
  #keep(key: string, signed: SignedAnswer): void {
    this.#signed.delete(key)
    this.#signed.set(key, signed)
    if (this.#signed.size <= MOST_KEPT) return
    const [oldest] = this.#signed.keys()
    if (oldest !== undefined) this.#signed.delete(oldest)
  }
}

interface Issuer {
  readonly record: CaRecord
  readonly delegation: OcspDelegation
}

interface SignedAnswer {
  readonly der: Uint8Array
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  /** From then on it is signed anew: whoever gets one can use it for a while. */
  readonly renewAt: Date
}

function answerOf(
  id: OcspCertId,
  state: RevocationState | undefined,
  thisUpdate: Date,
  nextUpdate: Date,
): OcspAnswer {
  const times = { id, thisUpdate, nextUpdate }
  if (state === undefined) return { ...times, status: 'unknown' }
  if (state.revoked_at === null) return { ...times, status: 'good' }
  const { revoked_at: date, revocation_reason: reason } = state
  return {
    ...times,
    status: 'revoked',
    date: new Date(date),
    reason: reason === null ? undefined : parseRevocationReason(reason),
  }
}

function describe(state: RevocationState | undefined): string {
  return state === undefined ? 'unknown' : `${state.revoked_at} ${state.revocation_reason}`
}

/** Whether the same question may be answered soon. */
function mayPass(error: unknown): boolean {
  return (
    error instanceof StoreError ||
    error instanceof StaleIssuerError ||
    (error instanceof AuthorityError && error.code === 'signer-unavailable')
  )
}

function refusal(status: Parameters<typeof OcspResponse.refusal>[0]): OcspReply {
  return { der: OcspResponse.refusal(status).der, kept: undefined }
}

/** What a request can be at fault for; everything else is ours. */
const REQUEST_FAULTS: ReadonlySet<string> = new Set([
  'der-malformed',
  'ocsp-malformed',
  'ocsp-missing',
  'ocsp-several',
  'pem-empty',
  'pem-malformed',
])
const LIFETIME_MS = 3_600_000
/** About a kilobyte each. */
const MOST_KEPT = 4000
