export { certificateFacts, certificateTitle } from './certificate-facts.ts'
export { type ClientHello, ClientHelloReader, type HelloProgress } from './client-hello.ts'
export { connect } from './connect.ts'
export { createDefaultContext, createDefaultContextInTurns, TlsContext } from './context.ts'
export {
  type CertificateFacts,
  type Explanation,
  type ReasonCode,
  TlsError,
  type TlsErrorCode,
  type TlsErrorDetail,
} from './errors.ts'
export type { ChannelBinding } from './channel-binding.ts'
export { explain, type ExplainOptions } from './explain/explain.ts'
export type { ExplainTarget } from './explain/target.ts'
export { explainChain } from './explain/explain-chain.ts'
export type { ExplainChainOptions } from './explain/explain-options.ts'
export {
  type BrokenLink,
  type ClientCertificateStory,
  type ClockCheck,
  type ExplainedCertificate,
  type ExplainedClient,
  type ExplainedConnection,
  type ExplainedTarget,
  explanationToJson,
  type Fix,
  type Fixes,
  type NameCheck,
  type NearMiss,
} from './explain/explanation.ts'
export { connectionFailure, type FailureFacts } from './failure.ts'
export { handshakeFailure } from './handshake-failure.ts'
export { getServerCertificate, type ServerCertificateOptions } from './server-certificate.ts'
export { listen, TlsListener } from './listen.ts'
export { wrap } from './wrap.ts'
export type {
  CertificateSource,
  ClientCertificates,
  CrlSource,
  DangerOptions,
  KeySource,
  MoreCertificate,
  TlsContextOptions,
} from './context-options.ts'
export type {
  ConnectOptions,
  FileSource,
  ListenOptions,
  RemoteAddress,
  SendFileOptions,
  SocketOptions,
  WrapOptions,
} from './connection-options.ts'
export type { Environment } from './trust-environment.ts'
export type { CaSource, CaSources, TrustOptions } from './trust-store.ts'
export type { TlsPeer } from './peer.ts'
export { PresentedChain } from './presented.ts'
export type { ProfileName, Protocols, ProtocolVersion } from './profiles.ts'
export type { PreSharedKey, PreSharedKeys } from './psk.ts'
export type { Reason } from './reason-table.ts'
export { isReasonCode, reasonOf } from './reasons.ts'
export { checkServerName } from './server-name.ts'
export type { ServerNameLookup } from './server-names.ts'
export type { TlsSession } from './session.ts'
export { type TlsCipher, TlsSocket } from './socket.ts'
export { type ReaderOptions, SocketReader } from './socket-reader.ts'
export { type LiveOptions, type LiveSource, LiveValue } from './trust-live.ts'
export type { Place, PlaceKind } from './trust-place.ts'
export { findElsewhere, type PlacesQuery } from './trust-places.ts'
export { type TrustDescription, TrustStore } from './trust-store.ts'
export type { TrustSource } from './trust-source.ts'
export {
  contextPaths,
  trustPaths,
  watchContext,
  type WatchContextOptions,
  watchTrust,
  type WatchTrustOptions,
} from './trust-watch.ts'
