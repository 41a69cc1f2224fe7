export type { AdhocOptions } from './adhoc.ts'
export type { CertificateRule } from './certificate-rule.ts'
export type { BoundAddress, ListeningSocket } from './bind.ts'
export { peerOf } from './connection.ts'
export type { CrlFetchOptions } from './crl-fetch-options.ts'
export { ServerError, type ServerErrorCode, type ServerErrorDetail } from './errors.ts'
export { type FolderHandler, type FolderOptions, serveFolder } from './folder.ts'
export {
  type FetchApplication,
  type FetchEnvironment,
  type FetchHandler,
  type Handler,
  type HandlerContext,
  NodeListener,
  nodeListener,
  type RequestListener,
  type ShorterWay,
} from './handler.ts'
export type { LimitOptions } from './limits.ts'
export type { AccessLogOptions, LineWriter } from './observe/access-log.ts'
export type { MetricFamily, MetricSample } from './observe/families.ts'
export { type MetricCollector, Metrics, metricsResponse } from './observe/metrics.ts'
export { tellMetrics, WorkerMetrics } from './observe/worker-metrics.ts'
export { setForwardedFor } from './observe/forwarded-for.ts'
export { requestIdOf } from './observe/request-id.ts'
export type { HostOptions, HostsFile, ReloadOptions, ServeOptions, TlsSources } from './options.ts'
export { type OpenPort, openPort, type OpenPortOptions } from './open-port.ts'
export type { Peer } from './peer.ts'
export { httpsOnly } from './plain-answer.ts'
export type { ProxyProtocolOptions } from './proxy-protocol.ts'
export type { HandshakeFailure, Refusal, RefusalCode, RefusalFacts } from './refusal.ts'
export type { Reloaded, ReloadedPart, SiteChange } from './reloaded.ts'
export {
  type CertificateGuard,
  requireCertificate,
  type RouteRefusal,
} from './require-certificate.ts'
export type { RevocationOptions } from './revocation-index.ts'
export { type ProxyHandler, proxyTo } from './proxy/proxy.ts'
export type { ProxyEvent, ProxyLimitOptions, ProxyOptions } from './proxy/options.ts'
export type { HealthOptions } from './proxy/health.ts'
export type { LoginOptions } from './proxy/login.ts'
export { rateCounter, type RateLimitOptions } from './proxy/rate-limit.ts'
export { serve } from './serve.ts'
export type { StapleOptions } from './staples.ts'
export type { TicketOptions } from './ticket-keys.ts'
export { type ConnectionFeed, type WorkerSide, workerSide } from './processes/worker-side.ts'
export { startWorkers, type WorkerReload, Workers, type WorkersOptions } from './workers.ts'
export { type CloseOptions, Server } from './server.ts'
export type { ReloadOutcome, WatchOptions } from './watch-options.ts'
