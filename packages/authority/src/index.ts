export { type AcmeAccount, AcmeAccounts } from './acme/account-list.ts'
export {
  type Acme,
  type AcmeData,
  type AcmeDataOptions,
  type AcmeOptions,
  createAcme,
  openAcme,
} from './acme/acme.ts'
export {
  type ExternalAccountKey,
  type ExternalAccountKeyOptions,
  ExternalAccountKeys,
  type NewExternalAccountKey,
} from './acme/external-accounts.ts'
export type { AcmeCount } from './acme/counts.ts'
export type { AcmeLimits } from './acme/limits.ts'
export { LOOPBACK_NETWORKS, PRIVATE_NETWORKS } from './acme/networks.ts'
export type { AcmeProfile } from './acme/state.ts'
export { type AuthorityEvents, openAuthorityEvents } from './audit-trail.ts'
export type { AuthorityEvent, AuthorityEventType } from './event-types.ts'
export type { Authorize, Caller } from './authorize.ts'
export {
  AuthorityError,
  type AuthorityErrorCode,
  type AuthorityErrorDetail,
  statusOf,
} from './errors.ts'
export {
  type IdentityBatchOptions,
  identityBases,
  type IdentityItem,
  refuseKeys,
  writeIdentities,
} from './identity-batch.ts'
export {
  identityFileName,
  type IdentityFiles,
  type IdentityOptions,
  updateRoots,
  writeIdentity,
} from './identity-files.ts'
export { createAuthority, initAuthority } from './init.ts'
export { openAuthority } from './open.ts'
export type { Overdue, OverdueSignature } from './overdue.ts'
export type { PolicyOptions } from './policy.ts'
export type { LedgerProfile, ProfileName } from './profiles.ts'
export { parseRevocationReason } from './reasons.ts'
export { type RenewalClaim, signRenewal } from './renewal-proof.ts'
export type { RenewalWatch } from './renewal-watch.ts'
export {
  type Asker,
  checkRequesterRules,
  DEFAULT_RULES,
  type RequesterRule,
} from './requester-rules.ts'
export type {
  EnrolmentRequest,
  EnrolmentToken,
  EnrolmentTokens,
  NewEnrolmentToken,
} from './enrolment-types.ts'
export type { Issued, IssueRequest, RenewOptions } from './issue-types.ts'
export type {
  Authority,
  Generation,
  InitAuthorityOptions,
  InventoryEntry,
  IssuerOverdue,
  LedgerEntry,
  ListOptions,
  OpenAuthorityOptions,
  RetireOptions,
  RevocationList,
  RolloverStatus,
  RollOptions,
  SignedCrl,
  UpkeepOptions,
  UpkeepReport,
} from './types.ts'
export type { Skipped, TakenCertificate } from './takeover/entries.ts'
export type { TakenAuthority } from './takeover/generations.ts'
export {
  importAuthority,
  type ImportAuthorityOptions,
  type ImportReport,
  type TakenFindings,
} from './takeover/import.ts'
export { type IndexLine, parseOpensslIndex } from './takeover/openssl-index.ts'
export type { RemoteSigner } from './remote-signer.ts'
export { checkToSign, type SigningRules, type SigningSubject } from './signing-check.ts'
