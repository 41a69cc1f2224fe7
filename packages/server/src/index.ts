export type { AdhocOptions } from './adhoc.ts'
export { peerOf } from './connection.ts'
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
export type { ServeOptions, TlsSources } from './options.ts'
export type { Peer } from './peer.ts'
export { httpsOnly } from './plain-answer.ts'
export type { HandshakeFailure, Refusal, RefusalCode } from './refusal.ts'
export { serve } from './serve.ts'
export { type CloseOptions, type Reloaded, Server } from './server.ts'
