/**
 * An open authority: its parts put together.
 *
 * @module
 */
import { checkOptions, type Clock } from '@countersign/core'
import { isUniqueViolation, type Store } from '@countersign/store'
import { Certificate, parseGeneralName, type RevocationReason, X509Error } from '@countersign/x509'
import type { Hono } from 'hono'
import { activeCa, type CaRecord, writePublicUrl } from './ca-records.ts'
import { checkConstraints } from './constraints.ts'
import { AuthorityError } from './errors.ts'
import {
  type ApprovedRequest,
  approve,
  type IssuingRules,
  type SignedLeaf,
  signLeaf,
} from './issuing.ts'
import { Ledger } from './ledger.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { LedgerWriter } from './ledger-writer.ts'
import type { NameSpace } from './name-space.ts'
import { OcspResponder } from './ocsp-responder.ts'
import { checkNames, type Policy } from './policy.ts'
import { parsePublicUrl } from './public-url.ts'
import { renewalRequest } from './renewal.ts'
import { certificateUnknown, Revocation } from './revocation.ts'
import type {
  Authority,
  Issued,
  IssueRequest,
  LedgerEntry,
  ListOptions,
  RenewOptions,
  SignedCrl,
} from './types.ts'
import { checkedNow } from './validity.ts'

/** What an open authority is made of. */
export interface AuthorityParts {
  readonly store: Store
  readonly clock: Clock
  readonly organization: string
  readonly trustDomain: string
  readonly constraints: NameSpace | undefined
  readonly records: readonly CaRecord[]
  readonly policy: Policy
  /** Without a slash at its end. */
  readonly publicUrl: string | undefined
  /** Told what went wrong where an answer says nothing of it. */
  readonly onFault: (error: unknown) => void
  readonly createRoutes: ((authority: OpenedAuthority) => Hono) | undefined
}

/** See {@link Authority}. */
export class OpenedAuthority implements Authority {
  readonly roots: readonly Certificate[]
  readonly rootsPem: string
  readonly issuer: Certificate
  readonly organization: string
  readonly trustDomain: string
  /** What it may ever sign, or `undefined` where that is everything. */
  readonly constraints: NameSpace | undefined
  /** Every generation of root and issuer, for the routes. */
  readonly records: readonly CaRecord[]
  /** Answers about single certificates, for the routes. */
  readonly ocsp: OcspResponder
  readonly #clock: Clock
  #rules: IssuingRules
  readonly #store: Store
  readonly #issuerRecord: CaRecord
  readonly #ledger: Ledger
  readonly #writer: LedgerWriter
  readonly #revocation: Revocation
  readonly #createRoutes: AuthorityParts['createRoutes']
  #routes: Hono | undefined

  constructor(parts: AuthorityParts) {
    const { store, clock, records } = parts
    const root = activeCa(records, 'root')
    const issuer = activeCa(records, 'issuer')
    this.records = records
    this.roots = records
      .filter((record) => record.kind === 'root' && record.isActive)
      .map((record) => record.certificate)
    this.rootsPem = this.roots.map((certificate) => certificate.pem).join('')
    this.issuer = issuer.certificate
    this.organization = parts.organization
    this.trustDomain = parts.trustDomain
    this.constraints = parts.constraints
    this.#clock = clock
    this.#store = store
    this.#issuerRecord = issuer
    this.#rules = {
      policy: parts.policy,
      trustDomain: parts.trustDomain,
      constraints: parts.constraints,
      root: root.certificate,
      issuer: issuer.certificate,
      issuerId: issuer.id,
      authorityKeys: records.map((record) => record.certificate.publicKey),
      publicUrl: parts.publicUrl,
    }
    this.#ledger = new Ledger(store.database<LedgerTables>())
    this.#writer = new LedgerWriter(store)
    this.#revocation = new Revocation(store, records, clock)
    const { organization, onFault } = parts
    this.ocsp = new OcspResponder({
      records,
      ledger: this.#ledger,
      writer: this.#writer,
      organization,
      clock,
      onFault,
    })
    this.#createRoutes = parts.createRoutes
  }

  get publicUrl(): string | undefined {
    return this.#rules.publicUrl
  }

  async setPublicUrl(text: string): Promise<void> {
    const publicUrl = parsePublicUrl(text)
    if (publicUrl === undefined || publicUrl === this.publicUrl) return
    await writePublicUrl(this.#store.database<LedgerTables>(), publicUrl)
    this.#rules = { ...this.#rules, publicUrl }
  }

  get routes(): Hono {
    if (this.#createRoutes === undefined) {
      throw new AuthorityError('routes-unavailable', 'the authority was opened without authorize', {
        hint: 'give authorize, which says who is calling',
      })
    }
    this.#routes ??= this.#createRoutes(this)
    return this.#routes
  }

  async unlock(): Promise<void> {
    await this.#issuerRecord.key.signer()
  }

  permits(name: string): boolean {
    try {
      const names = [parseGeneralName(name)]
      checkNames(this.#rules.policy, names)
      if (this.#rules.constraints !== undefined) {
        checkConstraints(this.#rules.constraints, names, undefined)
      }
      return true
    } catch (error) {
      if (error instanceof AuthorityError || error instanceof X509Error) return false
      throw error
    }
  }

  async issue(request: IssueRequest): Promise<Issued> {
    const approved = approve(request, this.#rules)
    const [issued] = await this.#signAndStore([approved])
    if (issued === undefined) throw new TypeError('one request gives one certificate')
    return issued
  }

  async issueMany(requests: readonly IssueRequest[]): Promise<Issued[]> {
    return await this.#signAndStore(
      requests.map((request, index) => this.#approveOne(request, index)),
    )
  }

  async renew(serialOrFingerprint: string, options: RenewOptions): Promise<Issued> {
    checkOptions(options, ['publicKey', 'requester'], 'renew')
    const entry = await this.find(serialOrFingerprint)
    const certificate = await this.certificate(serialOrFingerprint)
    if (entry === undefined || certificate === undefined) {
      throw certificateUnknown(serialOrFingerprint)
    }
    const signedBy = this.records.find(({ id }) => id === entry.issuer) ?? this.#issuerRecord
    const issuerEndsMs = signedBy.certificate.notAfter.getTime()
    const subject = { entry, certificate, issuerEndsMs }
    const { policy } = this.#rules
    return await this.issue(renewalRequest(subject, policy, options.requester, options.publicKey))
  }

  async list(options: ListOptions = {}): Promise<LedgerEntry[]> {
    return await this.#ledger.list(options, this.#clock())
  }

  async find(serialOrFingerprint: string): Promise<LedgerEntry | undefined> {
    return await this.#ledger.find(serialOrFingerprint)
  }

  async certificate(serialOrFingerprint: string): Promise<Certificate | undefined> {
    const der = await this.#ledger.certificate(serialOrFingerprint)
    return der === undefined ? undefined : Certificate.parse(der, 'the ledger')
  }

  async revoke(
    serialOrFingerprint: string,
    reason: RevocationReason = 'unspecified',
  ): Promise<LedgerEntry> {
    return await this.#revocation.revoke(serialOrFingerprint, reason)
  }

  async crl(): Promise<readonly SignedCrl[]> {
    return await this.#revocation.crls()
  }

  /** The list of one certificate authority, by its id, or `undefined`. */
  async crlOf(id: string): Promise<SignedCrl | undefined> {
    return await this.#revocation.crl(id)
  }

  #approveOne(request: IssueRequest, index: number): ApprovedRequest {
    try {
      return approve(request, this.#rules)
    } catch (error) {
      if (!(error instanceof AuthorityError)) throw error
      const { code, message, hint, refusedName } = error
      throw new AuthorityError(code, `request ${index + 1}: ${message}`, {
        hint,
        refusedName,
        cause: error,
      })
    }
  }

  /** Signs outside of the transaction, which is held only for the insert; a serial that is taken is drawn again. */
  async #signAndStore(approved: readonly ApprovedRequest[]): Promise<Issued[]> {
    const signer = await this.#issuerRecord.key.signer()
    for (let attempt = 1; ; attempt++) {
      const now = checkedNow(this.#clock)
      const signed: SignedLeaf[] = []
      for (const [index, one] of approved.entries()) {
        // Others get their turn between the signatures of a big batch.
        if (index % SIGNATURES_A_TURN === SIGNATURES_A_TURN - 1) await nextTurn()
        signed.push(signLeaf(one, this.#rules, signer, now))
      }
      try {
        await this.#writer.add(signed.map(({ entry }) => entry))
        return signed.map(({ issued }) => issued)
      } catch (error) {
        if (!isUniqueViolation(error) || attempt >= SERIAL_ATTEMPTS) throw error
      }
    }
  }
}

async function nextTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  setImmediate(resolve)
  await promise
}

const SIGNATURES_A_TURN = 100
const SERIAL_ATTEMPTS = 3
