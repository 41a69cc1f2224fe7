/**
 * What `connect`, `listen` and the methods of a socket take; each checks its own.
 *
 * @module
 */
import type { FileHandle } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import type { WaitOptions } from '@countersign/core'
import type { TlsContext } from './context.ts'
import type { TlsError } from './errors.ts'
import type { ServerNameLookup } from './server-names.ts'
import type { TlsSession } from './session.ts'

/** Where and how {@link connect} connects. */
export interface ConnectOptions extends WaitOptions {
  /** A host name or an IP address; both families are tried (RFC 8305). */
  host: string
  port: number
  /** @defaultValue `createDefaultContext()` */
  context?: TlsContext | undefined
  /** The name the server must prove, and is asked for. @defaultValue `host` */
  serverName?: string | undefined
  /** @defaultValue the context's */
  alpn?: readonly string[] | undefined
  /** A session of an earlier connection; used only while the context trusts what it trusted then. */
  session?: TlsSession | undefined
  /** An open connection to speak TLS over: a tunnel through a proxy. @defaultValue a new TCP connection */
  socket?: Duplex | undefined
}

/** Where and how {@link listen} listens. */
export interface ListenOptions {
  /** @defaultValue '127.0.0.1' */
  host?: string | undefined
  /** @defaultValue 0, any free port */
  port?: number | undefined
  /** A context of purpose `client-auth`, with a certificate. */
  context: TlsContext
  /** Connections the system queues before they are accepted. @defaultValue 511 */
  backlog?: number | undefined
  /** @defaultValue 10000 */
  handshakeTimeoutMs?: number | undefined
  /**
   * Another context for another name; a client that asks for a name it does not know is refused, one that asks for none gets
   * `context`. All must have the same `clientCertificates`. @defaultValue `context`, whatever the name
   */
  serverNames?: ServerNameLookup | undefined
  /** Called for every handshake that failed; the loop over the listener never sees it. */
  onHandshakeError?: ((error: TlsError, remote: RemoteAddress | undefined) => void) | undefined
  /** Closes the listener when it aborts. */
  signal?: AbortSignal | undefined
}

/** One end of a connection. */
export interface RemoteAddress {
  address: string
  port: number
  family: 'IPv4' | 'IPv6'
}

/** What {@link TlsSocket.setOption} sets. */
export interface SocketOptions {
  /** Send small writes at once (TCP_NODELAY). */
  noDelay?: boolean | undefined
  /** Probe an idle connection: `true`, or milliseconds before the first probe; `false` stops it. */
  keepAlive?: boolean | number | undefined
}

/** How {@link TlsSocket.sendFile} sends. */
export interface SendFileOptions extends WaitOptions {
  /** First byte. @defaultValue 0 */
  start?: number | undefined
  /** Byte after the last. @defaultValue the end of the file */
  end?: number | undefined
}

/** A file to send. */
export type FileSource = string | FileHandle

/** What {@link wrap} speaks TLS over, and as whom: the purpose of the context says which side this is. */
export interface WrapOptions extends WaitOptions {
  /** Of purpose `server-auth` on the client's side, `client-auth` with a certificate on the server's. */
  context: TlsContext
  /** Client only, and needed there: the name the server must prove. */
  serverName?: string | undefined
  /** Client only. @defaultValue the context's */
  alpn?: readonly string[] | undefined
  /** Client only: a session of an earlier connection. */
  session?: TlsSession | undefined
  /** Server only: as {@link ListenOptions.serverNames}. */
  serverNames?: ServerNameLookup | undefined
  /** Bytes that were read already and belong to TLS: what came in one piece with the command. @defaultValue none */
  head?: Uint8Array | undefined
}
