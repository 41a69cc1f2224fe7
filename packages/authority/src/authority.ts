/**
 * An open authority: its parts put together.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { Certificate, parseGeneralName, type RevocationReason, X509Error } from '@countersign/x509'
import type { Hono } from 'hono'
import type { AuditTrail } from './audit-trail.ts'
import {
  type AuthorityContext,
  type AuthorityState,
  chainOf,
  readGeneration,
  readState,
} from './authority-state.ts'
import type { CaKind } from './ca-certificates.ts'
import { writePublicUrl } from './ca-records.ts'
import { checkConstraints } from './constraints.ts'
import type { CrlPartitions } from './crl-partitions.ts'
import { AuthorityError } from './errors.ts'
import { Enrolment } from './enrolment.ts'
import { tidyFolder } from './folder-upkeep.ts'
import { renewIssuer } from './issuer-renewal.ts'
import { Issuance } from './issuance.ts'
import type { IssuingRules } from './issuing.ts'
import { rulesOf } from './issuing-rules.ts'
import { Ledger } from './ledger.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { LedgerWriter } from './ledger-writer.ts'
import type { NameSpace } from './name-space.ts'
import { OcspResponder } from './ocsp-responder.ts'
import { type Overdue, OverdueSignatures } from './overdue.ts'
import { checkNames, type Policy } from './policy.ts'
import { parsePublicUrl } from './public-url.ts'
import { renewalRequest } from './renewal.ts'
import { type RenewalWatch, renewWatched } from './renewal-watch.ts'
import { allowsSomewhere, type Asker, hasRule } from './requester-rules.ts'
import { certificateUnknown, Revocation } from './revocation.ts'
import { type ChangingAuthority, signRootList } from './changing.ts'
import { rollIssuer, rollRoot } from './rollover.ts'
import { rolloverStatus } from './rollover-report.ts'
import { retire, retireEnded } from './rollover-retire.ts'
import { maySignItsList } from './takeover/checks.ts'
import type { Issued, IssueRequest, RenewOptions } from './issue-types.ts'
import type {
  Authority,
  InventoryEntry,
  LedgerEntry,
  ListOptions,
  RetireOptions,
  RevocationList,
  RolloverStatus,
  RollOptions,
  SignedCrl,
  UpkeepOptions,
  UpkeepReport,
} from './types.ts'

/** What an open authority is made of. */
export interface AuthorityParts extends AuthorityContext {
  readonly state: AuthorityState
  readonly policy: Policy
  /** Without a slash at its end. */
  readonly publicUrl: string | undefined
  /** Told what went wrong where an answer says nothing of it. */
  readonly onFault: (error: unknown) => void
  readonly createRoutes: ((authority: OpenedAuthority) => Hono) | undefined
  readonly partitions: CrlPartitions
  readonly audit: AuditTrail | undefined
  readonly renewals: RenewalWatch | undefined
  readonly onRevoked: ((entry: LedgerEntry) => Promise<void>) | undefined
}

/** See {@link Authority}. */
export class OpenedAuthority implements Authority {
  readonly organization: string
  readonly trustDomain: string
  /** What it may ever sign, or `undefined` where that is everything. */
  readonly constraints: NameSpace | undefined
  /** Answers about single certificates, for the routes. */
  readonly ocsp: OcspResponder
  readonly enrolment: Enrolment
  readonly #context: AuthorityContext
  readonly #policy: Policy
  readonly #ledger: Ledger
  readonly #issuance: Issuance
  readonly #revocation: Revocation
  readonly #overdue: OverdueSignatures
  readonly #audit: AuditTrail | undefined
  readonly #createRoutes: AuthorityParts['createRoutes']
  readonly #renewals: RenewalWatch | undefined
  readonly #onRevoked: AuthorityParts['onRevoked']
  #state: AuthorityState
  #rules: IssuingRules
  #publicUrl: string | undefined
  /** When the generation was last looked at, by the clock that never jumps. */
  #lookedAt = Number.NEGATIVE_INFINITY
  #looking: Promise<boolean> | undefined
  /** The generation that the folder has been brought to. */
  #tidied = Number.NaN
  #routes: Hono | undefined

  constructor(parts: AuthorityParts) {
    const { store, folder, clock, state, organization, onFault, partitions, audit } = parts
    this.organization = organization
    this.trustDomain = parts.trustDomain
    this.constraints = parts.constraints
    this.#context = parts
    this.#policy = parts.policy
    this.#publicUrl = parts.publicUrl
    this.#ledger = new Ledger(store.database<LedgerTables>())
    this.#audit = audit
    const writer = new LedgerWriter(store, audit)
    this.#issuance = new Issuance({
      clock,
      audit,
      writer,
      partitions,
      current: async () => this.current(),
      refresh: async () => this.refresh(),
      rules: () => this.#rules,
    })
    const overdue = new OverdueSignatures(clock, onFault)
    this.#overdue = overdue
    this.#revocation = new Revocation({ store, folder, clock, partitions, audit, overdue })
    this.#revocation.setRecords(state.records.filter(maySignItsList))
    this.#state = state
    this.#rules = this.#makeRules()
    this.ocsp = new OcspResponder({
      records: async () => (await this.current()).records,
      ledger: this.#ledger,
      writer,
      organization,
      clock,
      onFault,
      overdue,
    })
    this.enrolment = new Enrolment({
      store,
      clock,
      rules: () => this.#rules,
      issue: async (request, tokenId) => this.#issuance.issue(request, { tokenId }),
      audit,
    })
    this.#createRoutes = parts.createRoutes
    this.#renewals = parts.renewals
    this.#onRevoked = parts.onRevoked
  }

  get roots(): readonly Certificate[] {
    return this.#state.roots
  }

  get formerRoots(): readonly Certificate[] {
    return this.#state.formerRoots
  }

  get rootsPem(): string {
    return this.#state.rootsPem
  }

  get issuer(): Certificate {
    return this.#state.issuer.certificate
  }

  get chain(): readonly [issuer: Certificate, ...cross: Certificate[]] {
    return this.#state.chain
  }

  chainOf(leaf: Certificate): readonly Certificate[] {
    return chainOf(this.#state, leaf)
  }

  async refresh(): Promise<boolean> {
    const { store, folder } = this.#context
    const generation = await readGeneration(store)
    this.#lookedAt = performance.now()
    const isNew = generation !== this.#state.generation && (await this.#readAgain())
    // Files that could not be written are tried again at the next look.
    while (this.#tidied !== this.#state.generation) {
      const { generation: tidied } = this.#state
      // Another process may have written a newer one meanwhile, which this one has gone over.
      if (await tidyFolder(folder, this.#state)) await this.#readAgain()
      await this.#revocation.tidy()
      this.#tidied = tidied
    }
    return isNew
  }

  /** Roots and issuers as they are in the database, or were within the last second. */
  async current(): Promise<AuthorityState> {
    if (performance.now() - this.#lookedAt > LOOK_EVERY_MS) {
      this.#looking ??= this.refresh().finally(() => {
        this.#looking = undefined
      })
      await this.#looking
    }
    return this.#state
  }

  /** @returns whether what was read is newer: two may have read at once, and the slower one the older state */
  async #readAgain(): Promise<boolean> {
    const state = await readState(this.#context, this.#state)
    if (state.generation <= this.#state.generation) return false
    this.#state = state
    this.#rules = this.#makeRules()
    this.#revocation.setRecords(state.records.filter(maySignItsList))
    return true
  }

  async upkeep(options: UpkeepOptions = {}): Promise<UpkeepReport> {
    checkOptions(options, ['rootKey', 'force'], 'upkeep')
    const report = await renewIssuer(this.#changing(), options)
    const retired = await retireEnded(this.#changing())
    if (report.renewed !== undefined || retired.length > 0) await this.refresh()
    await signRootList(this.#changing(), options.rootKey)
    return { ...report, retired }
  }

  async roll(kind: CaKind, options: RollOptions = {}): Promise<RolloverStatus> {
    checkOptions(options, ['rootKey', 'keyType'], 'roll')
    await this.refresh()
    await (kind === 'root' ? rollRoot : rollIssuer)(this.#changing(), options)
    await signRootList(this.#changing(), options.rootKey)
    return await this.#finished(kind)
  }

  async retire(kind: CaKind, options: RetireOptions = {}): Promise<RolloverStatus> {
    checkOptions(options, ['force'], 'retire')
    await this.refresh()
    await retire(this.#changing(), kind, options)
    return await this.#finished(kind)
  }

  async rollover(kind: CaKind): Promise<RolloverStatus | undefined> {
    await this.refresh()
    return await rolloverStatus(this.#changing(), kind)
  }

  async #finished(kind: CaKind): Promise<RolloverStatus> {
    await this.refresh()
    const status = await rolloverStatus(this.#changing(), kind)
    if (status === undefined) throw new TypeError('what was just done is in the database')
    return status
  }

  #changing(): ChangingAuthority {
    return {
      ...this.#context,
      state: this.#state,
      publicUrl: this.publicUrl,
      revocation: this.#revocation,
      audit: this.#audit,
    }
  }

  #makeRules(): IssuingRules {
    const { constraints, trustDomain, publicUrl } = this
    return rulesOf(this.#state, { policy: this.#policy, trustDomain, constraints, publicUrl })
  }

  get publicUrl(): string | undefined {
    return this.#publicUrl
  }

  async setPublicUrl(text: string): Promise<void> {
    const publicUrl = parsePublicUrl(text)
    if (publicUrl === undefined || publicUrl === this.publicUrl) return
    await writePublicUrl(this.#context.store.database<LedgerTables>(), publicUrl)
    this.#publicUrl = publicUrl
    this.#rules = this.#makeRules()
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
    const { id, key } = this.#state.issuer
    await key.anySigner()
    await this.#audit?.keyOpened(id)
  }

  permits(name: string, by?: Asker): boolean {
    try {
      const names = [parseGeneralName(name)]
      checkNames(this.#rules.policy, names)
      if (this.#rules.constraints !== undefined) {
        checkConstraints(this.#rules.constraints, names, undefined)
      }
      return by === undefined || names.every((one) => allowsSomewhere(this.#policy.rules, by, one))
    } catch (error) {
      if (error instanceof AuthorityError || error instanceof X509Error) return false
      throw error
    }
  }

  now(): Date {
    return this.#context.clock()
  }

  mayAsk(by: Asker): boolean {
    return hasRule(this.#policy.rules, by)
  }

  async issue(request: IssueRequest): Promise<Issued> {
    return await this.#issuance.issue(request)
  }

  async issueMany(requests: readonly IssueRequest[]): Promise<Issued[]> {
    return await this.#issuance.issueMany(requests)
  }

  async renew(serialOrFingerprint: string, options: RenewOptions): Promise<Issued> {
    checkOptions(options, ['publicKey', 'requester', 'by'], 'renew')
    const entry = await this.find(serialOrFingerprint)
    const certificate = await this.certificate(serialOrFingerprint)
    if (entry === undefined || certificate === undefined) {
      throw certificateUnknown(serialOrFingerprint)
    }
    const { records, issuer } = await this.current()
    const signedBy = records.find(({ id }) => id === entry.issuer) ?? issuer
    const wasCut =
      entry.notAfter >= signedBy.certificate.notAfter || (await this.#ledger.endedWithIssuer(entry))
    const request = renewalRequest({ entry, certificate, wasCut }, this.#rules.policy, options)
    return await renewWatched(
      this.#renewals,
      certificate,
      async () => this.#issuance.issue(request, { isRenewal: true }),
      async (fingerprint) => this.revoke(fingerprint),
    )
  }

  async list(options: ListOptions = {}): Promise<LedgerEntry[]> {
    return await this.#ledger.list(options, this.#context.clock())
  }

  async inventory(): Promise<InventoryEntry[]> {
    return await this.#ledger.inventory(this.#context.clock())
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
    requester?: string,
  ): Promise<LedgerEntry> {
    const entry = await this.#revocation.revoke(serialOrFingerprint, reason, requester)
    await this.#onRevoked?.(entry)
    return entry
  }

  /** For the audit log: what was refused before it came here. */
  async noteRefusal(name: string, what: string, error: AuthorityError): Promise<void> {
    await this.#audit?.refused(name, what, error)
  }

  async crl(): Promise<readonly SignedCrl[]> {
    const lists = await this.revocationLists()
    return await Promise.all(
      lists.map(async (list) => {
        const { ca, number, thisUpdate, nextUpdate } = list
        return { ca, der: await list.read(), number, thisUpdate, nextUpdate }
      }),
    )
  }

  get overdue(): Overdue {
    return this.#overdue.all
  }

  async revocationLists(): Promise<readonly RevocationList[]> {
    await this.current()
    return await this.#revocation.lists()
  }

  /** The list of one certificate authority, by its id, about a part of its certificates or all of them (0), or `undefined`. */
  async crlOf(id: string, partition = 0): Promise<RevocationList | undefined> {
    await this.current()
    return await this.#revocation.crl(id, partition)
  }
}

/** How long what other processes do may go unseen. */
const LOOK_EVERY_MS = 1000
