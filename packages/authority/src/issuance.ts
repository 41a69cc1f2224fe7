/**
 * From requests to certificates in the ledger: asked of the rules, signed, stored, told to the audit log.
 *
 * @module
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '@countersign/core'
import { isUniqueViolation } from '@countersign/store'
import { type AuditTrail, type NewEvent, subjectOf } from './audit-trail.ts'
import type { AuthorityState } from './authority-state.ts'
import type { CrlPartitions } from './crl-partitions.ts'
import type { Issued, IssueRequest } from './issue-types.ts'
import {
  type ApprovedRequest,
  approve,
  approveOne,
  type IssuingRules,
  type SignedLeaf,
  signLeaf,
} from './issuing.ts'
import { type LedgerWriter, type NewEntry, StaleIssuerError } from './ledger-writer.ts'
import { checkedNow } from './validity.ts'

/** What issuing works with. */
export interface IssuanceParts {
  readonly clock: Clock
  readonly audit: AuditTrail | undefined
  readonly writer: LedgerWriter
  readonly partitions: CrlPartitions
  /** Roots and issuers of now. */
  readonly current: () => Promise<AuthorityState>
  /** Reads them again. */
  readonly refresh: () => Promise<unknown>
  /** The rules of the issuer of now. */
  readonly rules: () => IssuingRules
}

/** Issues certificates. */
export class Issuance {
  readonly #parts: IssuanceParts

  constructor(parts: IssuanceParts) {
    this.#parts = parts
  }

  /**
   * Issues one certificate.
   *
   * @param how - whether it takes the place of one that is there, and the enrolment token that it uses up
   * @throws as `Authority.issue`; {@link AuthorityError} `token-used`
   */
  async issue(
    request: IssueRequest,
    { isRenewal = false, tokenId }: { isRenewal?: boolean; tokenId?: string } = {},
  ): Promise<Issued> {
    const approved = await this.#noting(request, () =>
      approve(request, this.#parts.rules(), isRenewal),
    )
    const [issued] = await this.#signAndStore([approved], { isRenewal, tokenId })
    if (issued === undefined) throw new TypeError('one request gives one certificate')
    return issued
  }

  /** Issues all of them or none. */
  async issueMany(requests: readonly IssueRequest[]): Promise<Issued[]> {
    const approved: ApprovedRequest[] = []
    for (const [index, request] of requests.entries()) {
      approved.push(
        await this.#noting(request, () => approveOne(request, this.#parts.rules(), index)),
      )
    }
    return await this.#signAndStore(approved)
  }

  /** Whoever is refused is written down. */
  async #noting<T>({ requester, by, names }: IssueRequest, check: () => T): Promise<T> {
    try {
      return check()
    } catch (error) {
      const asked = names === undefined ? 'a request' : names.join(', ')
      const who = typeof requester === 'string' ? requester : 'nobody'
      await this.#parts.audit?.refused(
        who,
        `issue ${asked}${by === undefined ? '' : ` via ${by.via}`}`,
        error,
      )
      throw error
    }
  }

  /**
   * Signs outside of the transaction, which is held only for the insert; a serial that is taken is drawn again, and an issuer
   * that changed meanwhile signs anew.
   */
  async #signAndStore(
    approved: readonly ApprovedRequest[],
    { isRenewal = false, tokenId }: { isRenewal?: boolean; tokenId?: string | undefined } = {},
  ): Promise<Issued[]> {
    const parts = this.#parts
    for (let attempt = 1; ; attempt++) {
      const { issuer } = await parts.current()
      const rules = parts.rules()
      const signer = await issuer.key.anySigner()
      await parts.audit?.keyOpened(issuer.id)
      const now = checkedNow(parts.clock)
      const signed: SignedLeaf[] = []
      const taken: number[] = []
      try {
        for (const [index, one] of approved.entries()) {
          // Others get their turn between the signatures of a big batch.
          if (index % SIGNATURES_A_TURN === SIGNATURES_A_TURN - 1) await nextTurn()
          const part = await parts.partitions.next(issuer.id, rules.publicUrl)
          taken.push(part)
          signed.push(await signLeaf(one, rules, signer, now, part))
        }
        const under = { id: issuer.id, fingerprint: issuer.certificate.fingerprint }
        const entries = signed.map(({ entry }) => entry)
        const [first] = entries
        const type = isRenewal ? 'certificate_renewed' : 'certificate_issued'
        const events = approved.map(({ via }, index) => issueEvent(type, entries[index], via))
        if (tokenId === undefined || first === undefined) {
          await parts.writer.add(entries, under, events)
        } else {
          const used = {
            type: 'authn_token_used',
            name: first.requester,
            subject: tokenId,
          } as const
          await parts.writer.addSpending(first, under, tokenId, [used, ...events])
        }
        return signed.map(({ issued }) => issued)
      } catch (error) {
        const isStale = error instanceof StaleIssuerError
        if (attempt >= ATTEMPTS || !(isStale || isUniqueViolation(error))) throw error
        if (isStale) await parts.refresh()
      } finally {
        parts.partitions.settle(issuer.id, taken)
      }
    }
  }
}

/** @param via - the rule that allowed it */
function issueEvent(type: NewEvent['type'], entry: NewEntry | undefined, via: string): NewEvent {
  const { serial = '', names = '', requester, profile = '' } = entry ?? {}
  const subject = subjectOf(serial, names)
  return { type, name: requester, subject, reason: `profile ${profile}, rule for ${via}` }
}

const SIGNATURES_A_TURN = 100
const ATTEMPTS = 3
