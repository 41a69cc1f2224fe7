/**
 * An HTTP client that trusts the right roots and says why when it does not.
 *
 * @module
 */
export type { Auth, Token, TokenProvider, TokenRequest } from './auth.ts'
export type { CookieRules } from './cookie-rules.ts'
export type { HttpVersion } from './admission.ts'
export type { PlainCookies } from './cookies.ts'
export {
  AbortError,
  BodyError,
  type BodyErrorCode,
  ClientError,
  type ClientErrorCode,
  type ClientErrorDetail,
  ConnectError,
  type ConnectErrorCode,
  IdentityError,
  OptionError,
  type OptionErrorCode,
  type Phase,
  ProxyError,
  type ProxyErrorCode,
  RedirectError,
  type RedirectErrorCode,
  StatusError,
  type StatusErrorCode,
  TimeoutError,
  TrustError,
  type TrustErrorDetail,
  type TrustReason,
} from './errors.ts'
export { defaultSession, del, get, head, options, patch, post, put, request } from './functions.ts'
export { gather, gatherEach } from './gather.ts'
export type {
  GatherOptions,
  GatherProgress,
  GatherRequest,
  GatherRequests,
  GatherResult,
  GatherTarget,
  GatherValues,
} from './gathering.ts'
export type { HeadersInput } from './headers.ts'
export type { HookOptions, OutgoingRequest, Retry } from './hooks.ts'
export type { MultipartInput, MultipartPart, MultipartValue } from './multipart.ts'
export type {
  RedirectMode,
  RequestOptions,
  SessionOptions,
  SharedOptions,
} from './options.ts'
export type { OriginProfile, OriginProfiles } from './origin-profiles.ts'
export { Peer } from './peer.ts'
export { pinsOf } from './pins.ts'
export type { ProxyInput, ProxyOptions } from './proxy.ts'
export type { Elapsed } from './elapsed.ts'
export type {
  CallEvent,
  CompleteEvent,
  ConnectEvent,
  ErrorEvent,
  RedirectEvent,
  RequestEvent,
  ResponseEvent,
  RetryEvent,
} from './events.ts'
export type { BodyInput, BodyOptions, BodyStream } from './request-body.ts'
export type { RetryOptions } from './retry.ts'
export { ClientResponse } from './response.ts'
export type { SavedCookie } from './saved-cookies.ts'
export type { SavedSession } from './saved-session.ts'
export { type MethodOptions, Session } from './session.ts'
export type { Revocation, RevocationOptions } from './revocation-plan.ts'
export type { TrustOptions, Verify } from './trust-plan.ts'
export type { QueryParameters, QueryValue } from './url.ts'
export type { SessionWarning, WarningListener } from './warnings.ts'
