/**
 * What the authority is asked and what it answers.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Store } from '@countersign/store'
import type { Certificate, KeyType, PrivateKey, RevocationReason } from '@countersign/x509'
import type { Hono } from 'hono'
import type { Authorize } from './authorize.ts'
import type { EnrolmentTokens } from './enrolment-types.ts'
import type { Issued, IssueRequest, RenewOptions } from './issue-types.ts'
import type { Overdue } from './overdue.ts'
import type { PolicyOptions } from './policy.ts'
import type { LedgerProfile } from './profiles.ts'
import type { RemoteSigner } from './remote-signer.ts'
import type { RenewalWatch } from './renewal-watch.ts'
import type { Asker } from './requester-rules.ts'

/** How an authority is opened. */
export interface OpenAuthorityOptions {
  /** Where the ledger is. The authority migrates its own tables; it does not close the store. */
  store: Store
  /** The data folder with the key files; made when the authority is. */
  folder: string
  /** Opens the key files but a root's, which has its own. @defaultValue the text of the file `passphrase` in the folder, if there is one */
  passphrase?: string | undefined
  /** Signs for an issuer whose key is not in the folder. @defaultValue nobody: the key must be there */
  remoteSigner?: RemoteSigner | undefined
  /** What may be asked for. @defaultValue every valid name, 90 days at most */
  policy?: PolicyOptions | undefined
  /**
   * Where clients reach revocation lists and responder, over plain HTTP: `http://ca.corp.internal`. Written into every
   * certificate from now on, and kept in the database for whoever opens the authority without it.
   * @defaultValue what the database has; where that is nothing, certificates name neither list nor responder
   */
  publicUrl?: string | undefined
  /** Says who is calling; without it the authority has no routes. @defaultValue none */
  authorize?: Authorize | undefined
  /**
   * Told what went wrong where the answer over HTTP says nothing of it: OCSP has no words. @defaultValue nobody is told
   */
  onFault?: ((error: unknown) => void) | undefined
  /** Asked before a certificate is renewed, and told of the new one. @defaultValue nobody */
  renewals?: RenewalWatch | undefined
  /**
   * Told of a certificate that is revoked, once that is in the ledger and before whoever asked is answered; of one that was before as
   * well, so that asking again finishes what failed. What it throws is what whoever asked gets. @defaultValue nobody is told
   */
  onRevoked?: ((entry: LedgerEntry) => Promise<void>) | undefined
  /**
   * Keeps what happens, in the same transaction, for an audit log that takes it over ({@link openAuthorityEvents}); `actor` did it where
   * a call does not say who. @defaultValue nothing is kept
   */
  audit?: { readonly actor: string } | undefined
  /**
   * How many live certificates of an issuer share a revocation list before the next ones name a list of their own, which is about
   * as many and no others. The list about all of them is there as well. @defaultValue 50000
   */
  crlPartitionSize?: number | undefined
  /** @defaultValue the machine's clock */
  clock?: Clock | undefined
}

/** How an authority is made. */
export interface InitAuthorityOptions extends OpenAuthorityOptions {
  /** Whose authority it is; part of the subject of root and issuer. @defaultValue 'Countersign' */
  organization?: string | undefined
  /** The kind of both keys. @defaultValue 'p256' */
  keyType?: KeyType | undefined
  /**
   * The only names the root may ever sign, for good: `.corp.internal`, `10.0.0.0/8`, `@corp.internal`. The kinds that are
   * not named are shut out. @defaultValue unconstrained
   */
  constrain?: readonly string[] | undefined
  /** First part of the SPIFFE IDs of clients, for good. @defaultValue made from the organization: `acme.internal` */
  trustDomain?: string | undefined
  /** What opens the root's key, and no other. @defaultValue generated, into the file `root.passphrase` in the folder */
  rootPassphrase?: string | undefined
  /** Where the root's key is written, on another medium; never over a file that is there. @defaultValue `root.key` in the folder */
  rootKeyFile?: string | undefined
}

/** One row of the ledger. */
export interface LedgerEntry {
  /** Upper-case hex. */
  readonly serial: string
  readonly names: readonly string[]
  /** `ocsp` for who answers OCSP in the issuer's place. */
  readonly profile: LedgerProfile
  readonly requester: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly issuedAt: Date
  readonly revokedAt: Date | undefined
  readonly revocationReason: RevocationReason | undefined
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprint: string
  /** `p256`, or what the key is called where it is none of ours. */
  readonly keyType: string
  /** The certificate authority that signed it: `issuer-2026-a1b2`. */
  readonly issuer: string
}

/** Which entries {@link Authority.list} gives, the newest first. */
export interface ListOptions {
  /** Only what ends within so many milliseconds, is valid now and not revoked; the first to end comes first. */
  expiringWithinMs?: number | undefined
  /** Only revoked ones, or only others. @defaultValue both */
  revoked?: boolean | undefined
  /** Only where a name or the requester contains this, or the serial or fingerprint is this. */
  search?: string | undefined
  /** Only what this certificate authority signed: `issuer-2026-a1b2`. */
  issuer?: string | undefined
  /** At most so many, 1 to 1000. @defaultValue 100 */
  limit?: number | undefined
  /** The serial or fingerprint of the last entry of the page before. */
  after?: string | undefined
}

/** The certificates of one profile that have not ended. */
export interface InventoryEntry {
  readonly profile: LedgerProfile
  /** How many are valid and not revoked. */
  readonly valid: number
  /** How many were revoked, and would be valid still. */
  readonly revoked: number
  /** When the first of the valid ones ends; `undefined` without any. */
  readonly soonestEnd: Date | undefined
}

/** A revocation list as it is handed out. */
export interface SignedCrl {
  /** The certificate authority that signed it: `issuer-2026-a1b2`. */
  readonly ca: string
  readonly der: Uint8Array
  readonly number: number
  readonly thisUpdate: Date
  readonly nextUpdate: Date
}

/** A revocation list that may be long: its bytes come when they are asked for. */
export interface RevocationList {
  /** The certificate authority that signed it: `issuer-2026-a1b2`. */
  readonly ca: string
  readonly number: number
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  /** Bytes. */
  readonly size: number
  /** The whole list, DER. */
  read(): Promise<Uint8Array>
  /** The same in pieces, from the file where it is long. */
  stream(): ReadableStream<Uint8Array>
}

/** How {@link Authority.upkeep} renews the issuer. */
export interface UpkeepOptions {
  /** The key of the root, where that is not in the folder. @defaultValue the folder's */
  rootKey?: PrivateKey | undefined
  /** Renews the issuer even where it is not due. @defaultValue false */
  force?: boolean | undefined
}

/** What {@link Authority.upkeep} has done. */
export interface UpkeepReport {
  /** The issuer's new certificate, where it was renewed. */
  readonly renewed: Certificate | undefined
  /** Why it should be renewed and could not. */
  readonly overdue: IssuerOverdue | undefined
  /** The issuers of before that were retired, because the last certificate under them has ended. */
  readonly retired: readonly string[]
}

/** An issuer that is due and cannot be renewed here: the root's key is elsewhere, or the root ends itself. */
export interface IssuerOverdue {
  readonly issuer: Certificate
  /**
   * `ends`: two thirds of its life are over. `address`: it names another address than {@link Authority.publicUrl}. `root`: it ends with
   * its root, and that is what has to be rolled over.
   */
  readonly reason: 'ends' | 'address' | 'root'
}

/** How {@link Authority.roll} begins. */
export interface RollOptions {
  /** The key of the root that is active now, where that is not in the folder. @defaultValue the folder's */
  rootKey?: PrivateKey | undefined
  /** The kind of the new key. @defaultValue that of the one before */
  keyType?: KeyType | undefined
}

/** How {@link Authority.retire} ends. */
export interface RetireOptions {
  /** Whether certificates that still depend on the former generation do not matter. @defaultValue false */
  force?: boolean | undefined
}

/** One generation of root or issuer. */
export interface Generation {
  /** `root-2026-a1b2` */
  readonly id: string
  readonly certificate: Certificate
  /** How many certificates depend on it that are valid and not revoked. */
  readonly live: number
  /** When the last of them ends; `undefined` without any. */
  readonly lastEnds: Date | undefined
}

/** The newest rollover of a kind, as {@link Authority.rollover} tells it. */
export interface RolloverStatus {
  readonly kind: 'root' | 'issuer'
  /** `begun` where the process that began it ended before anything changed: roll again. */
  readonly step: 'begun' | 'published' | 'retired'
  readonly old: Generation
  /** `undefined` where it has only begun. */
  readonly new: Generation | undefined
  readonly startedAt: Date
  readonly publishedAt: Date | undefined
  readonly retiredAt: Date | undefined
  /**
   * Certificates under the old generation, valid and not revoked, for whose names there is none under the new one yet; the first to
   * end comes first, fifty at most.
   */
  readonly notRenewed: readonly LedgerEntry[]
  /** How many of them there are. */
  readonly notRenewedCount: number
}

/** A certificate authority with its ledger, open. */
export interface Authority {
  /** What clients trust, the newest first; two while roots change. What other processes do is seen within a second or two. */
  readonly roots: readonly Certificate[]
  /** What they trusted once: roots that are retired. */
  readonly formerRoots: readonly Certificate[]
  /** The same as PEM: the content of `roots.pem`. */
  readonly rootsPem: string
  /** What signs leaves now. */
  readonly issuer: Certificate
  /** What servers send after a leaf: the issuer, and while roots change what leads clients of the former root to the next. */
  readonly chain: readonly [issuer: Certificate, ...cross: Certificate[]]
  /** The same for a leaf that is there already; empty where no issuer signed it that is not retired. */
  chainOf(leaf: Certificate): readonly Certificate[]
  readonly organization: string
  readonly trustDomain: string
  /** Where clients reach revocation lists and responder, without a slash at its end; `undefined` until somebody has said. */
  readonly publicUrl: string | undefined
  /** One-time tokens that let a machine ask for its first certificate. */
  readonly enrolment: EnrolmentTokens
  /**
   * GET /roots.pem, GET /crl/:file, GET and POST /ocsp, GET and POST /ca/certificates, POST /ca/certificates/:serial/revoke,
   * POST /ca/certificates/renew, POST /ca/enroll.
   *
   * @throws {@link AuthorityError} `routes-unavailable` where the authority was opened without `authorize`
   */
  readonly routes: Hono
  /**
   * Says where clients reach revocation lists and responder from now on, for a service that learns its port as it starts.
   * Certificates that were issued before keep the address that they name.
   *
   * @throws {@link AuthorityError} `option-invalid`; StoreError
   */
  setPublicUrl(publicUrl: string): Promise<void>
  /**
   * Opens the issuer's key now instead of at the first signature, so that a wrong passphrase shows early.
   *
   * @throws {@link AuthorityError} `key-missing`, `key-malformed`, `key-mismatch`, `passphrase-missing`, `passphrase-wrong`
   */
  unlock(): Promise<void>
  /**
   * Whether a server certificate for this host name or address would be within policy and constraints.
   *
   * @param by - and within the rules for whoever asks
   */
  permits(name: string, by?: Asker): boolean
  /** The time by the authority's clock. */
  now(): Date
  /** Whether there is a rule for somebody at all; whom no rule names gets nothing. */
  mayAsk(by: Asker): boolean
  /**
   * Signs one certificate. It is in the ledger when the promise resolves.
   *
   * @throws {@link AuthorityError} what the policy refuses, each by its own code
   */
  issue(request: IssueRequest): Promise<Issued>
  /** Signs all or, where one is refused, none; one transaction for all of them. */
  issueMany(requests: readonly IssueRequest[]): Promise<Issued[]>
  /**
   * Signs a certificate with the names, profile and lifetime of another one, for its key or a new one. Policy and constraints are
   * asked again; the one before stays valid until it ends.
   *
   * @throws {@link AuthorityError} `certificate-unknown`, `certificate-revoked`, and as {@link issue}; CoreError `option-unknown`
   */
  renew(serialOrFingerprint: string, options: RenewOptions): Promise<Issued>
  list(options?: ListOptions): Promise<LedgerEntry[]>
  /** What has not ended, counted by profile: one query over all of it. */
  inventory(): Promise<InventoryEntry[]>
  /** The entry with this serial or fingerprint (any case, colons allowed), or `undefined`. */
  find(serialOrFingerprint: string): Promise<LedgerEntry | undefined>
  /** The certificate of an entry, or `undefined`. */
  certificate(serialOrFingerprint: string): Promise<Certificate | undefined>
  /**
   * Revokes a certificate; one that is revoked stays as it is. The next {@link crl} has it.
   *
   * @param requester - who wants it, for the audit log
   * @returns the entry as it is now
   * @throws {@link AuthorityError} `certificate-unknown`, `reason-unknown`
   */
  revoke(
    serialOrFingerprint: string,
    reason?: RevocationReason,
    requester?: string,
  ): Promise<LedgerEntry>
  /**
   * The newest revocation list of every certificate authority, issuers first; made anew when something was revoked or
   * half of its time is over. Who checks a whole chain needs all of them. Where one cannot be made (the disk is full, the signer is
   * away) the one of before is answered while it holds, `onFault` is told `signature-overdue`, and {@link overdue} has it.
   *
   * @throws {@link AuthorityError} `crl-unavailable` where one has run out and its key is not here; what kept it from being made where
   *   none holds any more
   */
  crl(): Promise<readonly SignedCrl[]>
  /** What this process could not sign or store when it was due, and has not made up for yet. */
  readonly overdue: Overdue
  /** The same without their bytes: for whoever wants to know whether there is a newer one, or hands a long one on in pieces. */
  revocationLists(): Promise<readonly RevocationList[]>
  /**
   * Looks whether another process has changed roots or issuers, and takes that over; whoever issues, renews or asks for a list has
   * it looked at once a second.
   *
   * @returns whether something has changed
   */
  refresh(): Promise<boolean>
  /**
   * What has to be done now and then, by any of the processes on a database: renews the issuer, for the same key, at two thirds of
   * its life or when the public address is another one, and retires issuers of before when the last certificate under them
   * has ended. Does nothing where nothing is due.
   *
   * @throws {@link AuthorityError} `key-mismatch` where `rootKey` is another key, `root-expired`, and as the root's key; StoreError
   */
  upkeep(options?: UpkeepOptions): Promise<UpkeepReport>
  /**
   * Makes the next root or issuer, and uses it from now on. A next root is signed by the one before, and signs the issuer's key
   * again; both are trusted and published until {@link retire}. Killed at any moment, either nothing has happened, and it is to be
   * called again, or everything.
   *
   * @throws {@link AuthorityError} `rollover-underway`, `cross-sign-impossible`, `key-missing`, `key-mismatch`, `root-expired`
   */
  roll(kind: 'root' | 'issuer', options?: RollOptions): Promise<RolloverStatus>
  /** How far the newest rollover of a kind has come and who still uses the generation before; `undefined` where there was none. */
  rollover(kind: 'root' | 'issuer'): Promise<RolloverStatus | undefined>
  /**
   * Ends a rollover: the former root is trusted no more, the former issuer signs no list any more, and their keys are deleted from
   * the folder.
   *
   * @throws {@link AuthorityError} `rollover-missing`, `rollover-in-use` where certificates still depend on it
   */
  retire(kind: 'root' | 'issuer', options?: RetireOptions): Promise<RolloverStatus>
}
